import {
  ClusterBusyError,
  ClusterStatusError,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidInputError,
  NotFoundError,
  StaleVersionError,
} from '#domain/errors.ts';
import {
  InstanceStatusError,
  MinimumInstancesError,
  PrimaryNotDroppableError,
  TopologyError,
} from '#domain/instanceErrors.ts';
import { dropInstances } from '#operations/dropInstances.ts';
import { builder } from '../builder.ts';
import { requireIdOf } from '../globalId.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { acceptOrPlan } from './acceptOrPlan.ts';
import { changeResult } from './changeResult.ts';
import {
  clusterIdDescription,
  expectedVersionDescription,
  idempotencyKeyDescription,
  planDescription,
} from './fieldDescriptions.ts';

const DropInstancesPayload = acceptedPayload(
  'DropInstancesPayload',
  'The request was accepted: the instances are leaving the cluster.',
);

const DropInstancesResult = changeResult('dropInstances', DropInstancesPayload, [
  NotFoundError,
  ClusterBusyError,
  ClusterStatusError,
  MinimumInstancesError,
  TopologyError,
  PrimaryNotDroppableError,
  InstanceStatusError,
  StaleVersionError,
  InvalidInputError,
  IdempotencyConflictError,
  ForbiddenError,
]);

builder.mutationField('dropInstances', (t) =>
  t.fieldWithInput({
    type: DropInstancesResult,
    description:
      'Takes instances out of a cluster, in parallel, and releases their processes, volumes, addresses and names. They may be ill ' +
      'or not answer. Their records stay.',
    typeOptions: { description: 'What instances to drop.' },
    input: {
      clusterId: t.input.id({ required: true, description: clusterIdDescription }),
      instanceIds: t.input.idList({ required: true, description: 'The ids of the instances to drop, each once.' }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      plan: t.input.boolean({ description: planDescription }),
      expectedVersion: t.input.int({ description: expectedVersionDescription }),
    },
    resolve: async (_root, { input: { clusterId, instanceIds, idempotencyKey, expectedVersion, plan } }, context) =>
      await acceptOrPlan(
        context,
        dropInstances,
        {
          clusterId: requireIdOf('Cluster', clusterId),
          instanceIds: instanceIds.map((id) => requireIdOf('Instance', id)),
        },
        { idempotencyKey, expectedVersion, plan },
      ),
  }),
);
