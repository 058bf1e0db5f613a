import { isSilent } from '#domain/instanceStatus.ts';
import type { Observation } from '#domain/observation.ts';
import type { Prisma } from '#generated/prisma/client.ts';
import type {
  InstanceRole as InstanceRoleName,
  InstanceStatus as InstanceStatusName,
} from '#generated/prisma/enums.ts';
import { builder } from '../builder.ts';
import { keysetConnection } from '../connections/keysetConnection.ts';
import { nodesOf } from '../connections/nodesOf.ts';
import { describedEnum } from '../describedEnum.ts';
import { requireActor } from '../errors.ts';
import { idsOf } from '../globalId.ts';
import { EngineInfo, engineInfoOf } from './EngineInfo.ts';
import { directionOf, OrderDirection } from './filters.ts';
import { InstanceSize } from './InstanceSize.ts';
import { Replication } from './Replication.ts';

export const InstanceStatus = describedEnum<InstanceStatusName>(
  'InstanceStatus',
  'The status of one instance: what an operation is doing to it, else what its agent observes. More may be added.',
  {
    PENDING: 'Accepted; nothing exists yet.',
    PROVISIONING: 'Its volume, address, agent and server are being made.',
    SYNCING: 'Joining: copying data, catching up.',
    ACTIVE: 'Serving.',
    RESTARTING: 'Being restarted by an operation.',
    PROMOTING: 'Being made the primary.',
    BACKING_UP: 'A backup of it is being taken.',
    RESTORING: 'Being made from a backup.',
    DRAINING: 'Leaving the topology.',
    REMOVING: 'Its process, volume and address are being released.',
    REMOVED: 'Gone. Kept as a record.',
    STOPPED: 'Stopped on purpose.',
    DOWN: 'Its agent says that the server is not serving.',
    UNREACHABLE: 'Its agent has been silent for longer than its lease.',
    ERROR: 'An operation failed on it; `statusReason` says why.',
  },
);

export const InstanceRole = describedEnum<InstanceRoleName>(
  'InstanceRole',
  "What an instance is in its cluster's topology, as observed.",
  {
    PRIMARY: 'Accepts writes.',
    REPLICA: 'Follows the primary; read only.',
    MEMBER: 'One of equals (multi-primary engines).',
  },
);

const Agent = builder
  .objectRef<{ version: string | null; connected: boolean; lastSeenAt: Date | null }>('Agent')
  .implement({
    description: 'The guest agent beside an instance: it looks after the server and reports what it sees.',
    fields: (t) => ({
      version: t.exposeString('version', { nullable: true, description: 'Its version; null if it never connected.' }),
      connected: t.exposeBoolean('connected', { description: 'True if it has reported within its lease.' }),
      lastSeenAt: t.expose('lastSeenAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When it last reported; null if it never did.',
      }),
    }),
  });

/** The whole seconds from the server's start to the observation: a silent instance does not grow older. */
function uptimeSeconds({ startedAt, at }: Observation): number | null {
  return startedAt === null ? null : Math.max(0, Math.floor((Date.parse(at) - Date.parse(startedAt)) / 1000));
}

export const Instance = builder.prismaNode('Instance', {
  id: { field: 'id', description: 'Opaque and for ever the same.' },
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name'),
    cluster: t.relation('cluster', { description: 'The cluster that it belongs to.' }),
    role: t.expose('role', { type: InstanceRole, nullable: true }),
    status: t.expose('status', { type: InstanceStatus, description: 'How it stands.' }),
    statusReason: t.exposeString('statusReason', { nullable: true }),
    statusChangedAt: t.expose('statusChangedAt', { type: 'DateTime', description: 'Since when it has this status.' }),
    observedAt: t.expose('observedAt', {
      type: 'DateTime',
      nullable: true,
      description:
        'When its agent last reported; null if it never did. Everything observed (role, storage, connections, replication, ' +
        'engine information) is as of then.',
    }),
    size: t.field({
      type: InstanceSize,
      description: 'What it may use of its host.',
      select: { cpuMillis: true, memoryMiB: true, storageGiB: true },
      resolve: (size) => size,
    }),
    address: t.exposeString('address', { nullable: true }),
    port: t.exposeInt('port', { nullable: true }),
    dnsName: t.exposeString('dnsName', { nullable: true }),
    provider: t.exposeString('provider', { description: 'Where it comes from, e.g. "local".' }),
    agent: t.field({
      type: Agent,
      nullable: true,
      description: 'Its guest agent; null until one has connected.',
      select: { agentVersion: true, observedAt: true },
      resolve: ({ agentVersion, observedAt }, _args, { operations }) => {
        if (agentVersion === null && observedAt === null) return null;
        const silent = isSilent(observedAt, { ...operations.silence(), listeningSince: new Date(0) });
        return { version: agentVersion, connected: !silent, lastSeenAt: observedAt };
      },
    }),
    storageUsedBytes: t.field({
      type: 'BigInt',
      nullable: true,
      description: 'What its data takes on its volume, in bytes, as last observed.',
      select: { observation: true },
      resolve: (instance) => observationOf(instance)?.storageUsedBytes ?? null,
    }),
    connections: t.int({
      nullable: true,
      description: 'Client connections, as last observed.',
      select: { observation: true },
      resolve: (instance) => observationOf(instance)?.connections ?? null,
    }),
    uptimeSeconds: t.int({
      nullable: true,
      description: 'How long its server had been running when it was last observed, in seconds; null if it was not.',
      select: { observation: true },
      resolve: (instance) => {
        const observation = observationOf(instance);
        return observation === null ? null : uptimeSeconds(observation);
      },
    }),
    replication: t.field({
      type: Replication,
      nullable: true,
      description:
        'How its copying stands; null on a primary, where it was never observed, and where its agent is silent: it may have lost its primary since.',
      select: { clusterId: true, observation: true, observedAt: true },
      resolve: (instance, _args, { operations }) => {
        if (isSilent(instance.observedAt, operations.silence())) return null;
        const replication = observationOf(instance)?.replication ?? null;
        return replication && { ...replication, clusterId: instance.clusterId };
      },
    }),
    engineInfo: t.field({
      type: EngineInfo,
      nullable: true,
      description: 'What only its engine has, as last observed; null if it was never observed serving.',
      select: { observation: true },
      resolve: (instance) => engineInfoOf(observationOf(instance)),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was asked for.' }),
    removedAt: t.expose('removedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was gone; null while it is not.',
    }),
  }),
});

function observationOf({ observation }: { observation: unknown }): Observation | null {
  return observation as Observation | null;
}

export const InstanceConnection = builder.connectionObject(
  { type: Instance, name: 'InstanceConnection', description: 'A page of instances.', extensions: nodesOf('Instance') },
  { name: 'InstanceEdge', description: 'An instance in a page.' },
);

const InstanceFilter = builder.inputType('InstanceFilter', {
  description: 'Which instances to list. All that is given must hold.',
  fields: (t) => ({
    clusterId: t.id({ description: 'Only instances of this cluster.' }),
    status: t.field({ type: [InstanceStatus], description: 'Only instances with one of these statuses.' }),
    role: t.field({ type: InstanceRole, description: 'Only instances that were last observed in this role.' }),
    includeRemoved: t.boolean({ defaultValue: false, description: 'List the records of removed instances too.' }),
  }),
});

const InstanceOrderField = describedEnum<'NAME' | 'CREATED_AT'>(
  'InstanceOrderField',
  'What instances are ordered by.',
  {
    NAME: 'The name.',
    CREATED_AT: 'When it was asked for.',
  },
);

const InstanceOrder = builder.inputType('InstanceOrder', {
  description: 'The order of a list of instances. Equal ones are ordered by their ids.',
  fields: (t) => ({
    field: t.field({ type: InstanceOrderField, required: true, description: 'What to order by.' }),
    direction: t.field({ type: OrderDirection, defaultValue: 'ASC', description: 'Which end comes first.' }),
  }),
});

const orderColumns = { NAME: 'name', CREATED_AT: 'createdAt' } as const;

function instanceCondition(
  projectId: string,
  { clusterId, status, role, includeRemoved }: typeof InstanceFilter.$inferInput,
): Prisma.InstanceWhereInput {
  return {
    projectId,
    ...(clusterId == null ? {} : { clusterId: { in: idsOf('Cluster', [clusterId]) } }),
    ...(status == null ? {} : { status: { in: status } }),
    ...(role == null ? {} : { role }),
    ...(includeRemoved === true ? {} : { removedAt: null }),
  };
}

builder.queryField('instances', (t) =>
  t.connection(
    {
      type: Instance,
      description: "The instances of all the project's clusters. By name where no order is given.",
      args: {
        filter: t.arg({
          type: InstanceFilter,
          description: 'Which instances to list; all that are not removed when left out.',
        }),
        orderBy: t.arg({ type: InstanceOrder, description: 'The order; by name when left out.' }),
      },
      resolve: (_root, { filter, orderBy, ...args }, context, info) =>
        keysetConnection({
          context,
          info,
          args,
          ordering: {
            column: orderColumns[orderBy?.field ?? 'NAME'],
            direction: directionOf[orderBy?.direction ?? 'ASC'],
          },
          where: instanceCondition(requireActor(context).projectId, filter ?? {}),
          find: (query) => context.db.instance.findMany(query),
          count: (query) => context.db.instance.count(query),
        }),
    },
    InstanceConnection,
  ),
);
