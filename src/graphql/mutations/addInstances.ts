import {
  ClusterBusyError,
  ClusterStatusError,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidInputError,
  NameTakenError,
  NotFoundError,
  StaleVersionError,
} from '#domain/errors.ts';
import { TopologyError } from '#domain/instanceErrors.ts';
import { QuotaExceededError } from '#domain/quota.ts';
import { addInstances } from '#operations/addInstances.ts';
import { builder } from '../builder.ts';
import { requireIdOf } from '../globalId.ts';
import { InstanceInput } from '../types/InstanceInput.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { acceptOrPlan } from './acceptOrPlan.ts';
import { changeResult } from './changeResult.ts';
import {
  clusterIdDescription,
  expectedVersionDescription,
  idempotencyKeyDescription,
  planDescription,
} from './fieldDescriptions.ts';

const AddInstancesPayload = acceptedPayload(
  'AddInstancesPayload',
  'The request was accepted: the new instances are in the list, and are being made.',
);

const AddInstancesResult = changeResult('addInstances', AddInstancesPayload, [
  NotFoundError,
  ClusterBusyError,
  ClusterStatusError,
  TopologyError,
  NameTakenError,
  StaleVersionError,
  InvalidInputError,
  QuotaExceededError,
  IdempotencyConflictError,
  ForbiddenError,
]);

builder.mutationField('addInstances', (t) =>
  t.fieldWithInput({
    type: AddInstancesResult,
    description: 'Makes a cluster larger: the new instances join it in parallel and hold its data.',
    typeOptions: { description: 'What instances to add.' },
    input: {
      clusterId: t.input.id({ required: true, description: clusterIdDescription }),
      count: t.input.int({ description: 'How many instances to add. Give either this or `instances`.' }),
      instances: t.input.field({
        type: [InstanceInput],
        description: 'An entry for each instance to add, instead of `count`.',
      }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      plan: t.input.boolean({ description: planDescription }),
      expectedVersion: t.input.int({ description: expectedVersionDescription }),
    },
    resolve: async (_root, { input: { clusterId, idempotencyKey, expectedVersion, plan, ...added } }, context) =>
      await acceptOrPlan(
        context,
        addInstances,
        { clusterId: requireIdOf('Cluster', clusterId), ...added },
        { idempotencyKey, expectedVersion, plan },
      ),
  }),
);
