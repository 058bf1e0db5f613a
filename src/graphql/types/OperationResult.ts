import type { OperationKind } from '#generated/prisma/enums.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { isUuid } from '../globalId.ts';

/** What an operation that ended well left behind: its result as stored, and what it was about. */
export type OperationResultFacts = { kind: OperationKind; clusterId: string; clusterVersion: number; result: unknown };

const ClusterCreated = builder.objectRef<OperationResultFacts>('ClusterCreated').implement({
  description: 'Result of CREATE_CLUSTER: the cluster serves, and its data path was verified.',
  fields: (t) => ({
    primary: t.prismaField({
      type: 'Instance',
      nullable: true,
      description: 'The instance that was made the primary; null if the engine has none.',
      resolve: async (query, { result }, _args, context) => {
        const id = (result as { primaryInstanceId?: unknown }).primaryInstanceId;
        if (!isUuid(id)) return null;
        return await context.db.instance.findUnique({
          ...query,
          where: { id, projectId: requireActor(context).projectId },
        });
      },
    }),
  }),
});

const ClusterUpdated = builder.objectRef<OperationResultFacts>('ClusterUpdated').implement({
  description: 'Result of UPDATE_CLUSTER: the change is in force on every instance.',
  fields: (t) => ({
    version: t.exposeInt('clusterVersion', { description: "The cluster's version with the change." }),
  }),
});

const ClusterDeleted = builder.objectRef<OperationResultFacts>('ClusterDeleted').implement({
  description: 'Result of DELETE_CLUSTER: every process, volume, address and rule of the cluster is gone.',
  fields: (t) => ({
    version: t.exposeInt('clusterVersion', { description: "The last version of the cluster's record." }),
  }),
});

/** The backup of an operation's result. */
const backupIdOf = ({ result }: OperationResultFacts): string => {
  const { backupId } = result as { backupId?: unknown };
  return isUuid(backupId) ? backupId : nobody;
};
const nobody = '00000000-0000-0000-0000-000000000000';

const ClusterBackedUp = builder.objectRef<OperationResultFacts>('ClusterBackedUp').implement({
  description: 'Result of BACKUP_CLUSTER: every part is in the backup store, and was read back whole.',
  fields: (t) => ({
    backup: t.prismaField({
      type: 'Backup',
      description: 'The backup.',
      resolve: (query, facts, _args, context) =>
        context.db.backup.findUniqueOrThrow({
          ...query,
          where: { id: backupIdOf(facts), projectId: requireActor(context).projectId },
        }),
    }),
  }),
});

const BackupDeleted = builder.objectRef<OperationResultFacts>('BackupDeleted').implement({
  description: 'Result of DELETE_BACKUP: the files are gone; the record stays.',
  fields: (t) => ({
    backup: t.prismaField({
      type: 'Backup',
      description: "The backup's record.",
      resolve: (query, facts, _args, context) =>
        context.db.backup.findUniqueOrThrow({
          ...query,
          where: { id: backupIdOf(facts), projectId: requireActor(context).projectId },
        }),
    }),
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

const ClusterRestored = builder.objectRef<OperationResultFacts>('ClusterRestored').implement({
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

const BackupVerified = builder.objectRef<OperationResultFacts>('BackupVerified').implement({
  description: 'Result of VERIFY_BACKUP: a cluster with the data of the backup served, and is gone again.',
  fields: (t) => ({
    backup: t.prismaField({
      type: 'Backup',
      description: 'The backup.',
      resolve: (query, facts, _args, context) =>
        context.db.backup.findUniqueOrThrow({
          ...query,
          where: { id: backupIdOf(facts), projectId: requireActor(context).projectId },
        }),
    }),
    seededAgain: t.field({
      type: [SeededAgain],
      description: 'Instances that were copied from the primary, since their own parts could not catch up.',
      resolve: seededAgainOf,
    }),
  }),
});

const members = {
  CREATE_CLUSTER: ClusterCreated,
  UPDATE_CLUSTER: ClusterUpdated,
  DELETE_CLUSTER: ClusterDeleted,
  BACKUP_CLUSTER: ClusterBackedUp,
  RESTORE_CLUSTER: ClusterRestored,
  DELETE_BACKUP: BackupDeleted,
  VERIFY_BACKUP: BackupVerified,
} satisfies Record<OperationKind, unknown>;

export const OperationResult = builder.unionType('OperationResult', {
  description: 'What an operation brought about, by its kind. More members may be added.',
  types: Object.values(members),
  resolveType: ({ kind }) => members[kind],
});
