import {
  ClusterBusyError,
  DeletionProtectedError,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidInputError,
  NotFoundError,
  StaleVersionError,
} from '#domain/errors.ts';
import { accept } from '#operations/accept.ts';
import { deleteCluster } from '#operations/deleteCluster.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf } from '../globalId.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { clusterIdDescription, expectedVersionDescription, idempotencyKeyDescription } from './fieldDescriptions.ts';

const DeleteClusterPayload = acceptedPayload(
  'DeleteClusterPayload',
  'The request was accepted: the cluster is being removed.',
);

builder.mutationField('deleteCluster', (t) =>
  t.fieldWithInput({
    type: DeleteClusterPayload,
    description:
      'Removes every process, volume, address, rule and network of a cluster, and its data. Its record stays.',
    errors: {
      types: [
        NotFoundError,
        ClusterBusyError,
        DeletionProtectedError,
        StaleVersionError,
        InvalidInputError,
        IdempotencyConflictError,
        ForbiddenError,
      ],
    },
    typeOptions: { description: 'What cluster to delete.' },
    input: {
      clusterId: t.input.id({ required: true, description: clusterIdDescription }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      expectedVersion: t.input.int({ description: expectedVersionDescription }),
    },
    resolve: async (_root, { input: { clusterId, idempotencyKey = null, expectedVersion = null } }, context) =>
      await accept(
        context.operations,
        requireActor(context),
        deleteCluster,
        { clusterId: requireIdOf('Cluster', clusterId) },
        { idempotencyKey, expectedVersion },
      ),
  }),
);
