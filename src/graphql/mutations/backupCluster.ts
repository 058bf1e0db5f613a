import {
  BackupNameTakenError,
  ClusterBusyError,
  ClusterStatusError,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidInputError,
  NotFoundError,
  StaleVersionError,
} from '#domain/errors.ts';
import { limits } from '#domain/limits.ts';
import { accept } from '#operations/accept.ts';
import { backupCluster } from '#operations/backupCluster.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf } from '../globalId.ts';
import { backupPayload } from './backupPayload.ts';
import { clusterIdDescription, expectedVersionDescription, idempotencyKeyDescription } from './fieldDescriptions.ts';

const BackupClusterPayload = backupPayload(
  'BackupClusterPayload',
  'The request was accepted: the instances are being copied, and serve on.',
);

builder.mutationField('backupCluster', (t) =>
  t.fieldWithInput({
    type: BackupClusterPayload,
    description:
      'Copies every instance of a serving cluster into the backup store, in parallel. Writes go on meanwhile.',
    errors: {
      types: [
        NotFoundError,
        ClusterBusyError,
        ClusterStatusError,
        BackupNameTakenError,
        StaleVersionError,
        InvalidInputError,
        IdempotencyConflictError,
        ForbiddenError,
      ],
    },
    typeOptions: { description: 'What cluster to back up.' },
    input: {
      clusterId: t.input.id({ required: true, description: clusterIdDescription }),
      name: t.input.string({
        description: `Its name, unique among the cluster's backups: 1 to ${limits.nameMaxLength} of a-z, 0-9 and inner hyphens, beginning with a letter. Left out: made from the time.`,
      }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      expectedVersion: t.input.int({ description: expectedVersionDescription }),
    },
    resolve: async (_root, { input: { clusterId, name, idempotencyKey = null, expectedVersion = null } }, context) =>
      await accept(
        context.operations,
        requireActor(context),
        backupCluster,
        { clusterId: requireIdOf('Cluster', clusterId), name },
        { idempotencyKey, expectedVersion },
      ),
  }),
);
