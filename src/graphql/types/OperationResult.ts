import type { PromotionMode as PromotionModeName, Rejoined } from '#engines/engine.ts';
import type { OperationKind } from '#generated/prisma/enums.ts';
import type { PromotionResult } from '#operations/promotionSteps.ts';
import { builder } from '../builder.ts';
import type { Context } from '../context.ts';
import { describedEnum } from '../describedEnum.ts';
import { requireActor } from '../errors.ts';
import { isUuid } from '../globalId.ts';
import { BackupDeleted, BackupVerified, ClusterBackedUp, ClusterRestored } from './backupResults.ts';
import { ClusterRestarted } from './ClusterRestarted.ts';
import { InstancesAdded } from './InstancesAdded.ts';
import { InstancesDropped } from './InstancesDropped.ts';
import type { OperationResultFacts } from './operationResultFacts.ts';

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

export const PromotionMode = describedEnum<PromotionModeName>('PromotionMode', 'How a replica becomes the primary.', {
  PLANNED: 'The healthy primary hands its role over. Nothing is lost.',
  FAILOVER: 'A lost primary is fenced off and replaced.',
});

const LossBasis = describedEnum<PromotionResult['lossBasis']>(
  'LossBasis',
  'What the figure of lost data is based on. More may be added.',
  {
    NONE: 'Nothing can be lost in this mode.',
    LAST_REPORT:
      'What the old primary had when it last reported, against what the new one had received. Writes after that report, of at most ' +
      'some seconds, that had reached no replica are not in it.',
    OLD_PRIMARY: 'What the old primary turned out to have, and the new one has not. Exact.',
  },
);

const RejoinKind = describedEnum<Rejoined['how']>(
  'RejoinKind',
  'How an instance came to follow the primary. More may be added.',
  {
    ATTACHED: 'With the data that it had.',
    REWOUND: 'What only it had was taken back (pg_rewind).',
    COPIED: 'With a new copy of the primary.',
  },
);

/** Finds the instance that a field of the result names. */
const instanceOfResult =
  (field: string) =>
  (query: object, { result }: OperationResultFacts, _args: object, context: Context) => {
    const id = (result as Record<string, unknown>)[field];
    if (!isUuid(id)) return null;
    return context.db.instance.findUnique({ ...query, where: { id, projectId: requireActor(context).projectId } });
  };

const promotionOf = ({ result }: OperationResultFacts) => result as PromotionResult;

const InstancePromoted = builder.objectRef<OperationResultFacts>('InstancePromoted').implement({
  description: 'Result of PROMOTE_INSTANCE: the new primary takes writes, and the data path was verified.',
  fields: (t) => ({
    mode: t.field({
      type: PromotionMode,
      description: 'How it was done.',
      resolve: (facts) => promotionOf(facts).mode,
    }),
    oldPrimary: t.prismaField({
      type: 'Instance',
      nullable: true,
      description: 'The primary before; null if there was none.',
      resolve: instanceOfResult('fromId'),
    }),
    newPrimary: t.prismaField({
      type: 'Instance',
      nullable: true,
      description: 'The primary now.',
      resolve: instanceOfResult('toId'),
    }),
    lossBytes: t.field({
      type: 'BigInt',
      nullable: true,
      description: 'How much of the write-ahead log was lost, in bytes; null if it is not known. 0 for PLANNED.',
      resolve: (facts) => promotionOf(facts).lossBytes,
    }),
    lossBasis: t.field({
      type: LossBasis,
      description: 'What `lossBytes` is based on.',
      resolve: (facts) => promotionOf(facts).lossBasis,
    }),
    writeGapMs: t.int({
      nullable: true,
      description:
        'For how long nothing took writes, in milliseconds, as Grove measured it: from the last moment that the old primary may have ' +
        'taken one until the new one did. Null if it is not known.',
      resolve: (facts) => promotionOf(facts).writeGapMs,
    }),
    oldPrimaryRejoined: t.field({
      type: RejoinKind,
      nullable: true,
      description: 'How the old primary came to follow the new one; null if it does not yet.',
      resolve: (facts) => promotionOf(facts).rejoined,
    }),
    rejoinFailure: t.string({
      nullable: true,
      description: 'Why the old primary does not follow the new one yet, in words; null if it does.',
      resolve: (facts) => promotionOf(facts).rejoinFailure,
    }),
  }),
});

const InstanceRejoined = builder.objectRef<OperationResultFacts>('InstanceRejoined').implement({
  description: 'Result of REJOIN_INSTANCE: the instance follows the primary.',
  fields: (t) => ({
    instance: t.prismaField({
      type: 'Instance',
      nullable: true,
      description: 'The instance.',
      resolve: instanceOfResult('instanceId'),
    }),
    how: t.field({
      type: RejoinKind,
      description: 'How it came to follow.',
      resolve: ({ result }) => (result as Rejoined).how,
    }),
    discardedBytes: t.field({
      type: 'BigInt',
      nullable: true,
      description: 'What only it had of the write-ahead log, and has no more, in bytes; null if it is not known.',
      resolve: ({ result }) => (result as Rejoined).discardedBytes,
    }),
  }),
});

const members = {
  CREATE_CLUSTER: ClusterCreated,
  UPDATE_CLUSTER: ClusterUpdated,
  DELETE_CLUSTER: ClusterDeleted,
  PROMOTE_INSTANCE: InstancePromoted,
  REJOIN_INSTANCE: InstanceRejoined,
  ADD_INSTANCES: InstancesAdded,
  DROP_INSTANCES: InstancesDropped,
  RESTART_CLUSTER: ClusterRestarted,
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
