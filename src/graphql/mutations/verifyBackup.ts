import { BackupNotRestorableError, IncompleteBackupError } from '#domain/backupErrors.ts';
import {
  EngineUnavailableError,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidInputError,
  NotFoundError,
} from '#domain/errors.ts';
import { QuotaExceededError } from '#domain/quota.ts';
import { verifyBackup } from '#operations/verifyBackup.ts';
import { builder } from '../builder.ts';
import { requireIdOf } from '../globalId.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { acceptOrPlan } from './acceptOrPlan.ts';
import { changeResult } from './changeResult.ts';
import { backupIdDescription, idempotencyKeyDescription, planDescription } from './fieldDescriptions.ts';

const VerifyBackupPayload = acceptedPayload(
  'VerifyBackupPayload',
  'The request was accepted: the backup is being restored into the cluster, which goes again afterwards.',
);

const VerifyBackupResult = changeResult('verifyBackup', VerifyBackupPayload, [
  NotFoundError,
  BackupNotRestorableError,
  IncompleteBackupError,
  EngineUnavailableError,
  QuotaExceededError,
  InvalidInputError,
  IdempotencyConflictError,
  ForbiddenError,
]);

builder.mutationField('verifyBackup', (t) =>
  t.fieldWithInput({
    type: VerifyBackupResult,
    description:
      'Shows that a backup can be restored: does it, into a cluster with a name of its own that nobody may connect to, probes that, ' +
      'removes it, and records `lastVerifiedAt`.',
    typeOptions: { description: 'What backup to verify.' },
    input: {
      backupId: t.input.id({ required: true, description: backupIdDescription }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      plan: t.input.boolean({ description: planDescription }),
    },
    resolve: async (_root, { input: { backupId, idempotencyKey, plan } }, context) =>
      await acceptOrPlan(
        context,
        verifyBackup,
        { backupId: requireIdOf('Backup', backupId) },
        { idempotencyKey, plan },
      ),
  }),
);
