import { builder } from '../builder.ts';
import type { Context } from '../context.ts';
import { requireActor } from '../errors.ts';
import { isUuid } from '../globalId.ts';
import type { OperationResultFacts } from './operationResultFacts.ts';

/** The results of the operations on backups. */

/** The backup of an operation's result. */
const backupIdOf = ({ result }: OperationResultFacts): string => {
  const { backupId } = result as { backupId?: unknown };
  return isUuid(backupId) ? backupId : nobody;
};
const nobody = '00000000-0000-0000-0000-000000000000';

const backupOfResult = <Query extends object>(
  query: Query,
  facts: OperationResultFacts,
  _args: unknown,
  context: Context,
) =>
  context.db.backup.findUniqueOrThrow({
    ...query,
    where: { id: backupIdOf(facts), projectId: requireActor(context).projectId },
  });

export const ClusterBackedUp = builder.objectRef<OperationResultFacts>('ClusterBackedUp').implement({
  description: 'Result of BACKUP_CLUSTER: every part is in the backup store, and was read back whole.',
  fields: (t) => ({
    backup: t.prismaField({ type: 'Backup', description: 'The backup.', resolve: backupOfResult }),
  }),
});

export const BackupDeleted = builder.objectRef<OperationResultFacts>('BackupDeleted').implement({
  description: 'Result of DELETE_BACKUP: the files are gone; the record stays.',
  fields: (t) => ({
    backup: t.prismaField({ type: 'Backup', description: "The backup's record.", resolve: backupOfResult }),
  }),
});

type SeededAgainFacts = { instanceId: string; reason: string };

const SeededAgain = builder.objectRef<SeededAgainFacts>('SeededAgain').implement({
  description:
    'An instance whose own part of the backup could not catch up: it was copied from the new primary instead.',
  fields: (t) => ({
    instance: t.prismaField({
      type: 'Instance',
      description: 'The instance.',
      resolve: (query, { instanceId: id }, _args, context) =>
        context.db.instance.findUniqueOrThrow({
          ...query,
          where: { id, projectId: requireActor(context).projectId },
        }),
    }),
    reason: t.exposeString('reason', { description: "Why, in the engine's own words." }),
  }),
});

const seededAgainOf = ({ result }: OperationResultFacts): SeededAgainFacts[] =>
  (result as { seededAgain?: SeededAgainFacts[] }).seededAgain ?? [];

export const ClusterRestored = builder.objectRef<OperationResultFacts>('ClusterRestored').implement({
  description:
    'Result of RESTORE_CLUSTER: the cluster serves with the data of the backup, and its data path was verified.',
  fields: (t) => ({
    primary: t.prismaField({
      type: 'Instance',
      description: 'The instance that leads: the one whose part reached furthest.',
      resolve: (query, { result }, _args, context) =>
        context.db.instance.findUniqueOrThrow({
          ...query,
          where: {
            id: (result as { primaryInstanceId: string }).primaryInstanceId,
            projectId: requireActor(context).projectId,
          },
        }),
    }),
    seededAgain: t.field({
      type: [SeededAgain],
      description: 'Instances that were copied from the primary, since their own parts could not catch up.',
      resolve: seededAgainOf,
    }),
  }),
});

export const BackupVerified = builder.objectRef<OperationResultFacts>('BackupVerified').implement({
  description: 'Result of VERIFY_BACKUP: a cluster with the data of the backup served, and is gone again.',
  fields: (t) => ({
    backup: t.prismaField({ type: 'Backup', description: 'The backup.', resolve: backupOfResult }),
    seededAgain: t.field({
      type: [SeededAgain],
      description: 'Instances that were copied from the primary, since their own parts could not catch up.',
      resolve: seededAgainOf,
    }),
  }),
});
