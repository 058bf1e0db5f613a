import { BackupInUseError } from '#domain/backupErrors.ts';
import {
  ClusterBusyError,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidInputError,
  NotFoundError,
} from '#domain/errors.ts';
import { deleteBackup } from '#operations/deleteBackup.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf } from '../globalId.ts';
import { acceptedPayload } from './acceptedPayload.ts';
import { acceptOrPlan } from './acceptOrPlan.ts';
import { changeResult } from './changeResult.ts';
import { backupIdDescription, idempotencyKeyDescription, planDescription } from './fieldDescriptions.ts';

const DeleteBackupPayload = acceptedPayload(
  'DeleteBackupPayload',
  'The request was accepted: the files are being removed. The cluster is the one that the backup was taken of, deleted or not.',
);

const DeleteBackupResult = changeResult('deleteBackup', DeleteBackupPayload, [
  NotFoundError,
  BackupInUseError,
  ClusterBusyError,
  InvalidInputError,
  IdempotencyConflictError,
  ForbiddenError,
]);

builder.mutationField('deleteBackup', (t) =>
  t.fieldWithInput({
    type: DeleteBackupResult,
    description: 'Removes the files of a backup. Its record stays. Its cluster, if it is there, is held meanwhile.',
    typeOptions: { description: 'What backup to delete.' },
    input: {
      backupId: t.input.id({ required: true, description: backupIdDescription }),
      idempotencyKey: t.input.string({ description: idempotencyKeyDescription }),
      plan: t.input.boolean({ description: planDescription }),
    },
    resolve: async (_root, { input: { backupId: globalId, idempotencyKey, plan } }, context) => {
      const actor = requireActor(context);
      const where = { id: requireIdOf('Backup', globalId), projectId: actor.projectId };
      const backup = await context.db.backup.findUnique({ where, select: { id: true, clusterId: true } });
      if (!backup) throw new NotFoundError('The backup');
      const input = { clusterId: backup.clusterId, backupId: backup.id };
      return await acceptOrPlan(context, deleteBackup, input, { idempotencyKey, plan });
    },
  }),
);
