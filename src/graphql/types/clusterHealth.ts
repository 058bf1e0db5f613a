import type {
  Health as HealthFacts,
  HealthReasonCode as HealthReasonCodeName,
  HealthReason as HealthReasonFacts,
} from '#domain/health.ts';
import type { HealthLevel as HealthLevelName } from '#generated/prisma/enums.ts';
import { builder } from '../builder.ts';
import { describedEnum } from '../describedEnum.ts';
import { requireActor } from '../errors.ts';
import { Cluster } from './Cluster.ts';

const HealthLevel = describedEnum<HealthLevelName>(
  'HealthLevel',
  "How a cluster is doing, judged from its instances' last observations.",
  {
    HEALTHY: 'Every instance is serving and replication is as wanted.',
    DEGRADED: 'Serves writes, but an instance is missing or behind.',
    DOWN: 'Nothing accepts writes.',
    UNKNOWN: 'Too little is known to judge.',
  },
);

const HealthReasonCode = describedEnum<HealthReasonCodeName>(
  'HealthReasonCode',
  'Why a cluster is not HEALTHY, for programs. More may be added.',
  {
    NO_PRIMARY: 'No instance acts as primary.',
    PRIMARY_UNKNOWN: 'It is not known whether an instance acts as primary: its agent is silent.',
    TWO_PRIMARIES: 'More than one instance acts as primary.',
    INSTANCE_DOWN: 'The server of an instance is not serving.',
    INSTANCE_STOPPED: 'An instance was stopped on purpose.',
    INSTANCE_UNREACHABLE: "The agent of an instance is silent, or the connection of the primary's is lost.",
    INSTANCE_FAILED: 'An operation failed on an instance.',
    INSTANCE_BUSY: 'An operation is working on an instance.',
    REPLICATION_BROKEN: 'A replica does not follow the primary.',
    REPLICATION_LAGGING: 'A replica is too far behind.',
    COMMITS_WAIT: 'The cluster is synchronous and no replica streams, so that nothing is acknowledged.',
    NOTHING_OBSERVED: 'No instance has been observed yet.',
  },
);

const HealthReason = builder.objectRef<HealthReasonFacts>('HealthReason').implement({
  description: 'One reason why a cluster is not HEALTHY.',
  fields: (t) => ({
    code: t.expose('code', { type: HealthReasonCode, description: 'The reason, for programs.' }),
    message: t.exposeString('message', { description: 'The reason, for people.' }),
    instance: t.prismaField({
      type: 'Instance',
      nullable: true,
      description: "The instance that it is about; null if it is the group's.",
      resolve: (query, { instanceId }, _args, context) =>
        instanceId === null
          ? null
          : context.db.instance.findUnique({
              ...query,
              where: { id: instanceId, projectId: requireActor(context).projectId },
            }),
    }),
  }),
});

const Health = builder.objectRef<HealthFacts & { changedAt: Date | null }>('Health').implement({
  description: 'How a cluster is doing.',
  fields: (t) => ({
    level: t.expose('level', { type: HealthLevel, description: 'The verdict.' }),
    reasons: t.expose('reasons', { type: [HealthReason], description: 'Why it is not HEALTHY; empty if it is.' }),
    changedAt: t.expose('changedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the level or a reason last changed; null if it was never judged.',
    }),
  }),
});

builder.prismaObjectField(Cluster, 'health', (t) =>
  t.field({
    type: Health,
    description: "How it is doing, judged from its instances' last observations.",
    select: { healthLevel: true, healthReasons: true, healthChangedAt: true },
    resolve: ({ healthLevel, healthReasons, healthChangedAt }) => ({
      level: healthLevel,
      reasons: healthReasons as HealthReasonFacts[],
      changedAt: healthChangedAt,
    }),
  }),
);
