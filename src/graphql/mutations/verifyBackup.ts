import {
  BackupNotRestorableError,
  EngineUnavailableError,
  ForbiddenError,
  IdempotencyConflictError,
  IncompleteBackupError,
  InvalidInputError,
  NotFoundError,
} from '#domain/errors.ts';
import { accept } from '#operations/accept.ts';
import { verifyBackup } from '#operations/verifyBackup.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf } from '../globalId.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { backupIdDescription, idempotencyKeyDescription } from './fieldDescriptions.ts';

const VerifyBackupPayload = acceptedPayload(
  'VerifyBackupPayload',
  'The request was accepted: the backup is being restored into the cluster, which goes again afterwards.',
);

builder.mutationField('verifyBackup', (t) =>
  t.fieldWithInput({
    type: VerifyBackupPayload,
    description:
      'Shows that a backup can be restored: does it, into a cluster with a name of its own that nobody may connect to, probes that, ' +
      'removes it, and records `lastVerifiedAt`.',
    errors: {
      types: [
        NotFoundError,
        BackupNotRestorableError,
        IncompleteBackupError,
        EngineUnavailableError,
        InvalidInputError,
        IdempotencyConflictError,
        ForbiddenError,
      ],
    },
    typeOptions: { description: 'What backup to verify.' },
    input: {
      backupId: t.input.id({ required: true, description: backupIdDescription }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
    },
    resolve: async (_root, { input: { backupId, idempotencyKey = null } }, context) =>
      await accept(
        context.operations,
        requireActor(context),
        verifyBackup,
        { backupId: requireIdOf('Backup', backupId) },
        { idempotencyKey, expectedVersion: null },
      ),
  }),
);
