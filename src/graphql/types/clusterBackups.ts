import type { BackupPolicy as BackupPolicyFacts } from '#domain/backupPolicy.ts';
import { limits } from '#domain/limits.ts';
import { builder } from '../builder.ts';
import { keysetConnection } from '../connections/keysetConnection.ts';
import { requireActor } from '../errors.ts';
import { Backup, BackupConnection } from './Backup.ts';
import { Cluster } from './Cluster.ts';

builder.prismaObjectField(Cluster, 'backups', (t) =>
  t.connection(
    {
      type: Backup,
      description: 'Its backups that are not deleted, the newest first. Costs a statement for each cluster.',
      resolve: ({ id }, args, context, info) =>
        keysetConnection({
          context,
          info,
          args,
          ordering: { column: 'createdAt', direction: 'desc' },
          where: { clusterId: id, projectId: requireActor(context).projectId, deletedAt: null },
          find: (query) => context.db.backup.findMany(query),
          count: (query) => context.db.backup.count(query),
        }),
    },
    BackupConnection,
  ),
);

const BackupPolicy = builder.objectRef<BackupPolicyFacts>('BackupPolicy').implement({
  description: 'When backups of a cluster are taken by themselves, and how long these are kept.',
  fields: (t) => ({
    schedule: t.exposeString('schedule', { description: 'Cron expression of five fields, in UTC.' }),
    keepCount: t.exposeInt('keepCount', {
      nullable: true,
      description: 'At most so many of them are kept; null: any number.',
    }),
    keepDays: t.exposeInt('keepDays', {
      nullable: true,
      description: 'None of them is kept for longer than so many days; null: for ever.',
    }),
    verify: t.exposeBoolean('verify', {
      description: 'Whether each is restored into a throw-away cluster once it is completed.',
    }),
  }),
});

export const BackupPolicyInput = builder.inputType('BackupPolicyInput', {
  description:
    'When backups of a cluster are taken by themselves, and how long these are kept. Empty: none are taken so.',
  fields: (t) => ({
    schedule: t.string({
      description: 'Cron expression of five fields (minute, hour, day of the month, month, day of the week), in UTC.',
    }),
    keepCount: t.int({
      description: `At most so many of them are kept: 1 to ${limits.backupsKept}. Left out: any number.`,
    }),
    keepDays: t.int({
      description: `None of them is kept for longer than so many days: 1 to ${limits.backupDaysKept}. Left out: for ever.`,
    }),
    verify: t.boolean({
      description: 'True: each is restored into a throw-away cluster once it is completed. Left out: false.',
    }),
  }),
});

builder.prismaObjectField(Cluster, 'backupPolicy', (t) =>
  t.field({
    type: BackupPolicy,
    nullable: true,
    description: 'When its backups are taken by themselves; null: they are taken on request only.',
    select: { backupPolicy: true },
    resolve: ({ backupPolicy }) => backupPolicy as BackupPolicyFacts | null,
  }),
);

builder.prismaObjectField(Cluster, 'restoredFrom', (t) =>
  t.relation('restoredFrom', {
    nullable: true,
    description: 'The backup that it was made from; null: it was made empty.',
  }),
);
