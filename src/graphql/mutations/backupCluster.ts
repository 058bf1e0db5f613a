import { BackupNameTakenError } from '#domain/backupErrors.ts';
import {
  ClusterBusyError,
  ClusterStatusError,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidInputError,
  NotFoundError,
  StaleVersionError,
} from '#domain/errors.ts';
import { limits } from '#domain/limits.ts';
import { QuotaExceededError } from '#domain/quota.ts';
import { backupCluster } from '#operations/backupCluster.ts';
import { builder } from '../builder.ts';
import { requireIdOf } from '../globalId.ts';
import { acceptOrPlan } from './acceptOrPlan.ts';
import { backupPayload } from './backupPayload.ts';
import { changeResult } from './changeResult.ts';
import {
  clusterIdDescription,
  expectedVersionDescription,
  idempotencyKeyDescription,
  planDescription,
} from './fieldDescriptions.ts';

const BackupClusterPayload = backupPayload(
  'BackupClusterPayload',
  'The request was accepted: the instances are being copied, and serve on.',
);

const BackupClusterResult = changeResult('backupCluster', BackupClusterPayload, [
  NotFoundError,
  ClusterBusyError,
  ClusterStatusError,
  BackupNameTakenError,
  StaleVersionError,
  InvalidInputError,
  QuotaExceededError,
  IdempotencyConflictError,
  ForbiddenError,
]);

builder.mutationField('backupCluster', (t) =>
  t.fieldWithInput({
    type: BackupClusterResult,
    description:
      'Copies every instance of a serving cluster into the backup store, in parallel. Writes go on meanwhile.',
    typeOptions: { description: 'What cluster to back up.' },
    input: {
      clusterId: t.input.id({ required: true, description: clusterIdDescription }),
      name: t.input.string({
        description: `Its name, unique among the cluster's backups: 1 to ${limits.nameMaxLength} of a-z, 0-9 and inner hyphens, beginning with a letter. Left out: made from the time.`,
      }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      plan: t.input.boolean({ description: planDescription }),
      expectedVersion: t.input.int({ description: expectedVersionDescription }),
    },
    resolve: async (_root, { input: { clusterId, name, idempotencyKey, expectedVersion, plan } }, context) =>
      await acceptOrPlan(
        context,
        backupCluster,
        { clusterId: requireIdOf('Cluster', clusterId), name },
        { idempotencyKey, expectedVersion, plan },
      ),
  }),
);
