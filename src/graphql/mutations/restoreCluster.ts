import { BackupNotRestorableError, IncompleteBackupError, RestoreSizeMismatchError } from '#domain/backupErrors.ts';
import {
  EngineUnavailableError,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidInputError,
  NameTakenError,
  NotFoundError,
} from '#domain/errors.ts';
import { limits } from '#domain/limits.ts';
import { QuotaExceededError } from '#domain/quota.ts';
import { restoreCluster } from '#operations/restoreCluster.ts';
import { builder } from '../builder.ts';
import { requireIdOf } from '../globalId.ts';
import { AccessRuleInput } from '../types/Cluster.ts';
import { InstanceSizeInput } from '../types/InstanceSize.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { acceptOrPlan } from './acceptOrPlan.ts';
import { changeResult } from './changeResult.ts';
import { backupIdDescription, idempotencyKeyDescription, planDescription } from './fieldDescriptions.ts';

const RestoreClusterPayload = acceptedPayload(
  'RestoreClusterPayload',
  'The request was accepted: a new cluster is being built from the backup.',
);

const RestoreClusterResult = changeResult('restoreCluster', RestoreClusterPayload, [
  NotFoundError,
  BackupNotRestorableError,
  IncompleteBackupError,
  RestoreSizeMismatchError,
  NameTakenError,
  EngineUnavailableError,
  InvalidInputError,
  QuotaExceededError,
  IdempotencyConflictError,
  ForbiddenError,
]);

builder.mutationField('restoreCluster', (t) =>
  t.fieldWithInput({
    type: RestoreClusterResult,
    description:
      'Makes a new cluster with the data of a backup, each instance from its own part. It has passwords of its own; the cluster that ' +
      'was backed up is not touched. See `restorePreview`.',
    typeOptions: { description: 'What to restore, and as what.' },
    input: {
      backupId: t.input.id({ required: true, description: backupIdDescription }),
      name: t.input.string({
        required: true,
        description: `The new cluster's name, unique in the project: 1 to ${limits.nameMaxLength} of a-z, 0-9 and inner hyphens, beginning with a letter.`,
      }),
      instanceCount: t.input.int({ description: "How many instances: the backup's number, or left out." }),
      engineVersion: t.input.string({ description: "The engine's version: the backup's, or left out." }),
      size: t.input.field({
        type: InstanceSizeInput,
        description: 'The size of each instance. Left out: as it was when the backup was taken.',
      }),
      accessRules: t.input.field({
        type: [AccessRuleInput],
        description: `Who may connect: at most ${limits.accessRulesPerCluster} networks. Left out: this host only.`,
      }),
      deletionProtection: t.input.boolean({
        description: 'True: the cluster cannot be deleted until a key of role ADMIN takes this off. Left out: false.',
      }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      plan: t.input.boolean({ description: planDescription }),
    },
    resolve: async (_root, { input: { backupId, idempotencyKey, plan, ...input } }, context) =>
      await acceptOrPlan(
        context,
        restoreCluster,
        { backupId: requireIdOf('Backup', backupId), ...input },
        { idempotencyKey, plan },
      ),
  }),
);
