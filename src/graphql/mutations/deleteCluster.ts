import {
  ClusterBusyError,
  DeletionProtectedError,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidInputError,
  NotFoundError,
  StaleVersionError,
} from '#domain/errors.ts';
import { deleteCluster } from '#operations/deleteCluster.ts';
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

const DeleteClusterPayload = acceptedPayload(
  'DeleteClusterPayload',
  'The request was accepted: the cluster is being removed.',
);

const DeleteClusterResult = changeResult('deleteCluster', DeleteClusterPayload, [
  NotFoundError,
  ClusterBusyError,
  DeletionProtectedError,
  StaleVersionError,
  InvalidInputError,
  IdempotencyConflictError,
  ForbiddenError,
]);

builder.mutationField('deleteCluster', (t) =>
  t.fieldWithInput({
    type: DeleteClusterResult,
    description:
      'Removes every process, volume, address, rule and network of a cluster, and its data. Its record stays.',
    typeOptions: { description: 'What cluster to delete.' },
    input: {
      clusterId: t.input.id({ required: true, description: clusterIdDescription }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      plan: t.input.boolean({ description: planDescription }),
      expectedVersion: t.input.int({ description: expectedVersionDescription }),
    },
    resolve: async (_root, { input: { clusterId, ...options } }, context) =>
      await acceptOrPlan(context, deleteCluster, { clusterId: requireIdOf('Cluster', clusterId) }, options),
  }),
);
