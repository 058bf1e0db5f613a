import type { LoggedEvent } from '#events/event.ts';
import type { EventFilter as FeedFilter } from '#events/subscription.ts';
import type { Prisma } from '#generated/prisma/client.ts';
import type { EventType as EventTypeName } from '#generated/prisma/enums.ts';
import type { Json } from '#lib/values/json.ts';
import { builder } from '../builder.ts';
import { describedEnum } from '../describedEnum.ts';
import { requireActor } from '../errors.ts';
import { type IdType, idOf, idsOf, isUuid, toGlobalId } from '../globalId.ts';
import { Actor } from './Actor.ts';
import { storable } from './filters.ts';

export const EventType = describedEnum<EventTypeName>('EventType', 'What an event tells. More may be added.', {
  CLUSTER_STATUS_CHANGED: 'The status of a cluster changed.',
  CLUSTER_HEALTH_CHANGED: 'The health of a cluster changed; the statuses are health levels.',
  CLUSTER_UPDATED: 'Access rules, deletion protection or the backup policy were changed.',
  INSTANCE_STATUS_CHANGED: 'The status of an instance changed.',
  INSTANCE_ROLE_CHANGED: 'The observed role of an instance changed; the statuses are roles.',
  OPERATION_STATUS_CHANGED: 'The status of an operation changed.',
  OPERATION_STEP_CHANGED: 'The status of a step of an operation changed.',
  BACKUP_STATUS_CHANGED: 'The status of a backup changed; the payload names it.',
  BACKUP_VERIFIED: 'A backup was restored into a throw-away cluster and found good; the payload names it.',
  BACKUP_MISSED: 'A scheduled backup could not be begun in time; the payload says why.',
  CREDENTIALS_REVEALED: 'Somebody looked at the password of a cluster.',
  PRIMARY_LOST: 'Grove saw that the primary is gone and asks for a failover; the payload has the evidence.',
  API_KEY_CREATED: 'An API key was made.',
  API_KEY_REVOKED: 'An API key was taken back.',
  WEBHOOK_CREATED: 'A webhook was made.',
  WEBHOOK_UPDATED: 'The settings of a webhook were changed.',
  WEBHOOK_DELETED: 'A webhook was removed.',
  WEBHOOK_SECRET_ROTATED: 'A webhook got a new signing secret.',
  WEBHOOK_REPLAYED: 'A webhook was set to another cursor.',
  WEBHOOK_STATUS_CHANGED: 'The status of a webhook changed. Not sent over webhooks.',
  WEBHOOK_EVENTS_SKIPPED:
    'A webhook was behind what the log keeps: events were not sent, and the receiver was told. Not sent over webhooks.',
  PROJECT_UPDATED: 'The limits of the project were changed.',
});

const idTypes: Record<string, IdType> = {
  clusterId: 'Cluster',
  instanceId: 'Instance',
  operationId: 'Operation',
  backupId: 'Backup',
  webhookId: 'Webhook',
};

/** The payload with opaque ids in the place of database keys. */
export function withGlobalIds(value: Json, key = ''): Json {
  if (Array.isArray(value)) return value.map((entry) => withGlobalIds(entry, key));
  const type = idTypes[key];
  if (type !== undefined && isUuid(value)) return toGlobalId(type, value);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, withGlobalIds(entry, name)]));
}

export const Event = builder.objectRef<LoggedEvent>('Event').implement({
  description: 'One status transition in the ordered log of a project.',
  fields: (t) => ({
    cursor: t.field({
      type: 'Cursor',
      description: 'Its place in the log; pass it as `after` to go on behind it. Unique in the project.',
      resolve: ({ seq }, _args, { feed }) => feed.encode(seq),
    }),
    type: t.expose('type', { type: EventType, description: 'What it tells.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When it happened.' }),
    actor: t.expose('actor', { type: Actor, description: 'Who caused it.' }),
    clusterId: t.id({
      nullable: true,
      description: 'The id of the cluster that it is about; null if it is about none.',
      resolve: ({ clusterId }) => clusterId && toGlobalId('Cluster', clusterId),
    }),
    instanceId: t.id({
      nullable: true,
      description: 'The id of the instance that it is about; null if it is about none.',
      resolve: ({ instanceId }) => instanceId && toGlobalId('Instance', instanceId),
    }),
    operationId: t.id({
      nullable: true,
      description: 'The id of the operation that it belongs to; null if it belongs to none.',
      resolve: ({ operationId }) => operationId && toGlobalId('Operation', operationId),
    }),
    cluster: t.prismaField({
      type: 'Cluster',
      nullable: true,
      description: 'The cluster as it is now.',
      resolve: (query, { clusterId: id }, _args, context) =>
        id === null
          ? null
          : context.db.cluster.findUnique({ ...query, where: { id, projectId: requireActor(context).projectId } }),
    }),
    instance: t.prismaField({
      type: 'Instance',
      nullable: true,
      description: 'The instance as it is now.',
      resolve: (query, { instanceId: id }, _args, context) =>
        id === null
          ? null
          : context.db.instance.findUnique({ ...query, where: { id, projectId: requireActor(context).projectId } }),
    }),
    operation: t.prismaField({
      type: 'Operation',
      nullable: true,
      description: 'The operation as it is now.',
      resolve: (query, { operationId: id }, _args, context) =>
        id === null
          ? null
          : context.db.operation.findUnique({ ...query, where: { id, projectId: requireActor(context).projectId } }),
    }),
    fromStatus: t.exposeString('fromStatus', {
      nullable: true,
      description: 'The status before; null if there was none.',
    }),
    toStatus: t.exposeString('toStatus', {
      nullable: true,
      description: 'The status after; null if it is not about a status.',
    }),
    payload: t.field({
      type: 'JSON',
      description: 'More, by the type of the event: the names of what it is about, the reason.',
      resolve: ({ payload }) => withGlobalIds(payload),
    }),
  }),
});

export const EventFilter = builder.inputType('EventFilter', {
  description: 'Which events to tell. All that is given must hold.',
  fields: (t) => ({
    clusterIds: t.idList({ description: 'Only events about these clusters, their instances and operations.' }),
    types: t.field({ type: [EventType], description: 'Only events of these types.' }),
    operationId: t.id({ description: 'Only events that belong to this operation.' }),
    toStatuses: t.stringList({
      description: 'Only events whose status after is one of these, like "ACTIVE" or "FAILED".',
    }),
  }),
});

type EventFilterInput = typeof EventFilter.$inferInput;

/** The filter as Prisma takes it. */
export function eventCondition({
  clusterIds,
  types,
  operationId,
  toStatuses,
}: EventFilterInput): Prisma.EventWhereInput {
  return {
    ...(clusterIds == null ? {} : { clusterId: { in: idsOf('Cluster', clusterIds) } }),
    ...(types == null ? {} : { type: { in: types } }),
    ...(operationId == null ? {} : { operationId: { in: idsOf('Operation', [operationId]) } }),
    ...(toStatuses == null ? {} : { toStatus: { in: toStatuses.map(storable) } }),
  };
}

const everything: FeedFilter = { key: 'everything', wants: () => true };

/** The same filter for events that are already here. */
export function feedFilter(input: EventFilterInput): FeedFilter {
  const { clusterIds, types, operationId, toStatuses } = input;
  if ([clusterIds, types, operationId, toStatuses].every((given) => given == null)) return everything;
  const clusters = clusterIds == null ? null : new Set<string | null>(idsOf('Cluster', clusterIds));
  const wantedTypes = types == null ? null : new Set(types);
  const operation = operationId == null ? null : { id: idOf('Operation', operationId) };
  const statuses = toStatuses == null ? null : new Set<string | null>(toStatuses);
  return {
    key: `events ${JSON.stringify([clusterIds, types, operationId, toStatuses])}`,
    wants: (event) =>
      (clusters?.has(event.clusterId) ?? true) &&
      (wantedTypes?.has(event.type) ?? true) &&
      (statuses?.has(event.toStatus) ?? true) &&
      (operation === null || (operation.id !== null && operation.id === event.operationId)),
  };
}
