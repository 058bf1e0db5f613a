import type { AccessRule as AccessRuleFacts } from '#domain/facts.ts';
import type { Prisma } from '#generated/prisma/client.ts';
import type { ClusterStatus as ClusterStatusName } from '#generated/prisma/enums.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { builder } from '../builder.ts';
import { keysetConnection } from '../connections/keysetConnection.ts';
import { nodesOf } from '../connections/nodesOf.ts';
import { describedEnum } from '../describedEnum.ts';
import { badUserInput, requireActor } from '../errors.ts';
import { idOf } from '../globalId.ts';
import { Engine } from './Engine.ts';
import { directionOf, OrderDirection, storable, TextFilter, textCondition } from './filters.ts';
import { InstanceSize } from './InstanceSize.ts';

export const ClusterStatus = describedEnum<ClusterStatusName>(
  'ClusterStatus',
  'The headline of a cluster, from its lifecycle, its running operation and its health. More may be added.',
  {
    BUILDING: 'Being created or restored.',
    BUSY: 'Another operation holds it; `currentOperation` says which.',
    ACTIVE: 'Free, and every instance is as wanted.',
    DEGRADED: 'Free and serving, but an instance is missing, behind or silent, or too little is known.',
    DOWN: 'Free, and nothing accepts writes.',
    ERROR: 'Its building or deletion failed. It can be deleted, or the operation retried.',
    DELETING: 'On its way out.',
    DELETED: 'Gone. Kept as a record; its name is free again.',
  },
);

const AccessRule = builder.objectRef<AccessRuleFacts>('AccessRule').implement({
  description: 'A network whose clients may connect.',
  fields: (t) => ({
    cidr: t.expose('cidr', { type: 'CIDR', description: 'The network that clients connect from.' }),
    description: t.exposeString('description', {
      nullable: true,
      description: "What it is for, in its maker's words.",
    }),
  }),
});

export const AccessRuleInput = builder.inputType('AccessRuleInput', {
  description: 'A network whose clients may connect.',
  fields: (t) => ({
    cidr: t.field({ type: 'CIDR', required: true, description: 'The network that clients connect from.' }),
    description: t.string({ description: 'What it is for; at most 200 characters.' }),
  }),
});

const Network = builder
  .objectRef<{ cidr: string | null; accessRules: AccessRuleFacts[]; accessRulesInForce: boolean }>('Network')
  .implement({
    description: "A cluster's common network, and who may connect.",
    fields: (t) => ({
      cidr: t.expose('cidr', {
        type: 'CIDR',
        nullable: true,
        description: 'The network that the instances have their addresses in; null until it exists.',
      }),
      accessRules: t.expose('accessRules', {
        type: [AccessRule],
        description: 'Who may connect, as wanted. Clients from any other network are refused.',
      }),
      accessRulesInForce: t.exposeBoolean('accessRulesInForce', {
        description:
          'Whether `accessRules` are what every server enforces. False while they are being applied, and after that failed: ' +
          'retry the operation then.',
      }),
    }),
  });

export const Cluster = builder.prismaNode('Cluster', {
  id: { field: 'id', description: 'Opaque and for ever the same.' },
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name'),
    version: t.exposeInt('version'),
    engine: t.field({
      type: Engine,
      description: 'The database product that it runs.',
      select: { engine: true },
      resolve: ({ engine }, _args, { operations }) => assertPresent(operations.engines[engine], `engine ${engine}`),
    }),
    engineVersion: t.exposeString('engineVersion'),
    status: t.expose('status', { type: ClusterStatus, description: 'The headline: how it stands.' }),
    statusReason: t.exposeString('statusReason', { nullable: true }),
    statusChangedAt: t.expose('statusChangedAt', { type: 'DateTime', description: 'Since when it has this status.' }),
    instanceCount: t.exposeInt('instanceCount'),
    instanceSize: t.field({
      type: InstanceSize,
      description: 'The size of each of its instances.',
      select: { cpuMillis: true, memoryMiB: true, storageGiB: true },
      resolve: (size) => size,
    }),
    network: t.field({
      type: Network,
      description: 'Its common network, and who may connect.',
      select: { networkCidr: true, accessRules: true, accessRulesInForce: true },
      resolve: ({ networkCidr, accessRules, accessRulesInForce }) => ({
        cidr: networkCidr,
        accessRules: accessRules as AccessRuleFacts[],
        accessRulesInForce,
      }),
    }),
    provider: t.exposeString('provider', { description: 'Where its instances come from, e.g. "local".' }),
    deletionProtection: t.exposeBoolean('deletionProtection'),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When its creation was accepted.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When its record last changed.' }),
    deletedAt: t.expose('deletedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was gone; null while it is not.',
    }),
  }),
});

const ClusterFilter = builder.inputType('ClusterFilter', {
  description: 'Which clusters to list. All that is given must hold.',
  fields: (t) => ({
    name: t.field({ type: TextFilter, description: 'Condition on the name.' }),
    engine: t.string({ description: 'Only clusters of this engine, e.g. "postgresql".' }),
    status: t.field({ type: [ClusterStatus], description: 'Only clusters with one of these statuses.' }),
    includeDeleted: t.boolean({ defaultValue: false, description: 'List the records of deleted clusters too.' }),
  }),
});

const ClusterOrderField = describedEnum<'NAME' | 'CREATED_AT'>('ClusterOrderField', 'What clusters are ordered by.', {
  NAME: 'The name.',
  CREATED_AT: 'When its creation was accepted.',
});

const ClusterOrder = builder.inputType('ClusterOrder', {
  description: 'The order of a list of clusters. Equal ones are ordered by their ids.',
  fields: (t) => ({
    field: t.field({ type: ClusterOrderField, required: true, description: 'What to order by.' }),
    direction: t.field({ type: OrderDirection, defaultValue: 'ASC', description: 'Which end comes first.' }),
  }),
});

const orderColumns = { NAME: 'name', CREATED_AT: 'createdAt' } as const;

function clusterCondition(
  projectId: string,
  { name, engine, status, includeDeleted }: typeof ClusterFilter.$inferInput,
): Prisma.ClusterWhereInput {
  return {
    projectId,
    ...(name == null ? {} : { name: textCondition(name) }),
    ...(engine == null ? {} : { engine: storable(engine) }),
    ...(status == null ? {} : { status: { in: status } }),
    ...(includeDeleted === true ? {} : { deletedAt: null }),
  };
}

builder.queryField('clusters', (t) =>
  t.connection(
    {
      type: Cluster,
      description: "The project's clusters. By name where no order is given.",
      args: {
        filter: t.arg({
          type: ClusterFilter,
          description: 'Which clusters to list; all that are not deleted when left out.',
        }),
        orderBy: t.arg({ type: ClusterOrder, description: 'The order; by name when left out.' }),
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
          where: clusterCondition(requireActor(context).projectId, filter ?? {}),
          find: (query) => context.db.cluster.findMany(query),
          count: (query) => context.db.cluster.count(query),
        }),
    },
    { name: 'ClusterConnection', description: 'A page of clusters.', extensions: nodesOf('Cluster') },
    { name: 'ClusterEdge', description: 'A cluster in a page.' },
  ),
);

const ClusterBy = builder.inputType('ClusterBy', {
  description: 'What to find a cluster by: exactly one of these.',
  isOneOf: true,
  fields: (t) => ({
    id: t.id({ description: 'Its id. Finds deleted clusters too.' }),
    name: t.string({ description: 'Its name. Finds only a cluster that is not deleted.' }),
  }),
});

function whereOf({ id, name }: typeof ClusterBy.$inferInput): Prisma.ClusterWhereInput | null {
  if (name != null) return { name: storable(name), deletedAt: null };
  if (id == null) throw badUserInput('Give exactly one of "id" and "name".');
  const clusterId = idOf('Cluster', id);
  return clusterId === null ? null : { id: clusterId };
}

builder.queryField('cluster', (t) =>
  t.prismaField({
    type: Cluster,
    nullable: true,
    description: 'One cluster; null if there is none such in the project.',
    args: { by: t.arg({ type: ClusterBy, required: true, description: 'What to find it by.' }) },
    resolve: async (query, _root, { by }, context) => {
      const where = whereOf(by);
      if (where === null) return null;
      return await context.db.cluster.findFirst({
        ...query,
        where: { ...where, projectId: requireActor(context).projectId },
      });
    },
  }),
);
