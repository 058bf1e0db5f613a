import {
  ClusterBusyError,
  ClusterStatusError,
  ForbiddenError,
  NotFoundError,
  OperationNotRetryableError,
} from '#domain/errors.ts';
import { InstanceStatusError } from '#domain/instanceErrors.ts';
import { retryOperation } from '#operations/retryOperation.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf } from '../globalId.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { operationIdDescription } from './fieldDescriptions.ts';
import { promotionRefusals } from './promotionRefusals.ts';

const RetryOperationPayload = acceptedPayload('RetryOperationPayload', 'The operation runs again.');

builder.mutationField('retryOperation', (t) =>
  t.fieldWithInput({
    type: RetryOperationPayload,
    description:
      'Runs an operation that failed or was cancelled again, from the step that did not succeed. A promotion that gave everything back ' +
      'begins with its first step, and is refused where it would be refused now. Instances that may hold the only whole copy of the data ' +
      'are not dropped by a retry either.',
    errors: {
      types: [
        NotFoundError,
        OperationNotRetryableError,
        ClusterBusyError,
        ClusterStatusError,
        ...promotionRefusals,
        InstanceStatusError,
        ForbiddenError,
      ],
    },
    typeOptions: { description: 'What operation to run again.' },
    input: { operationId: t.input.id({ required: true, description: operationIdDescription }) },
    resolve: async (_root, { input }, context) =>
      await retryOperation(context.operations, requireActor(context), {
        operationId: requireIdOf('Operation', input.operationId),
      }),
  }),
);
