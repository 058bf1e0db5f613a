import {
  BackupInUseError,
  BackupNameTakenError,
  BackupNotRestorableError,
  IncompleteBackupError,
  RestoreSizeMismatchError,
} from '#domain/backupErrors.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { ErrorInterface } from './Error.ts';

const interfaces = [ErrorInterface];

builder.objectType(BackupNameTakenError, {
  name: 'BackupNameTakenError',
  description: 'Another backup of the cluster has the name. The name of a deleted backup is free.',
  interfaces,
  fields: (t) => ({ takenName: t.exposeString('takenName', { description: 'The name that was asked for.' }) }),
});

builder.objectType(BackupInUseError, {
  name: 'BackupInUseError',
  description: 'The backup is being taken, restored or verified: its files have to stay.',
  interfaces,
  fields: (t) => ({
    operation: t.prismaField({
      type: 'Operation',
      description: 'The operation that uses it.',
      resolve: (query, { operationId }, _args, context) =>
        context.db.operation.findUniqueOrThrow({
          ...query,
          where: { id: operationId, projectId: requireActor(context).projectId },
        }),
    }),
  }),
});

builder.objectType(BackupNotRestorableError, {
  name: 'BackupNotRestorableError',
  description: 'The backup cannot be restored, or not so.',
  interfaces,
  fields: (t) => ({ reason: t.exposeString('reason', { description: 'Why, in words.' }) }),
});

builder.objectType(IncompleteBackupError, {
  name: 'IncompleteBackupError',
  description: 'Parts of the backup are missing from the backup store.',
  interfaces,
  fields: (t) => ({
    missing: t.stringList({
      description: 'Names of the instances whose parts are missing.',
      resolve: ({ missing }) => missing,
    }),
  }),
});

builder.objectType(RestoreSizeMismatchError, {
  name: 'RestoreSizeMismatchError',
  description: 'A restore makes as many instances as the backup has parts, each from its own.',
  interfaces,
  fields: (t) => ({
    backupSize: t.exposeInt('backupSize', { description: 'Instances in the backup.' }),
    requestedSize: t.exposeInt('requestedSize', { description: 'Instances that were asked for.' }),
  }),
});
