import { ForbiddenError, NotFoundError, OperationNotCancellableError } from '#domain/errors.ts';
import { cancelOperation } from '#operations/cancelOperation.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf } from '../globalId.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { operationIdDescription } from './fieldDescriptions.ts';

const CancelOperationPayload = acceptedPayload(
  'CancelOperationPayload',
  'The operation was asked to stop: it ends at the next step border.',
);

builder.mutationField('cancelOperation', (t) =>
  t.fieldWithInput({
    type: CancelOperationPayload,
    description:
      'Stops an operation at the next step border and leaves the cluster as it then is. Asking twice is asking once.',
    errors: { types: [NotFoundError, OperationNotCancellableError, ForbiddenError] },
    typeOptions: { description: 'What operation to stop.' },
    input: { operationId: t.input.id({ required: true, description: operationIdDescription }) },
    resolve: async (_root, { input }, context) =>
      await cancelOperation(context.operations, requireActor(context), {
        operationId: requireIdOf('Operation', input.operationId),
      }),
  }),
);
