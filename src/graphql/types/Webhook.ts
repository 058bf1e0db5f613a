import type { Prisma } from '#generated/prisma/client.ts';
import type { WebhookStatus as WebhookStatusName } from '#generated/prisma/enums.ts';
import type { WebhookFilter as WebhookFilterFacts } from '#webhooks/filter.ts';
import { countedEvents, type WebhookLag as WebhookLagFacts, webhookLag } from '#webhooks/lag.ts';
import { builder } from '../builder.ts';
import { keysetConnection } from '../connections/keysetConnection.ts';
import { nodesOf } from '../connections/nodesOf.ts';
import { describedEnum } from '../describedEnum.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf, toGlobalId } from '../globalId.ts';
import { EventType } from './Event.ts';

const WebhookStatus = describedEnum<WebhookStatusName>('WebhookStatus', 'How the deliveries of a webhook stand.', {
  ACTIVE: 'Events are delivered as they come.',
  FAILING: 'The last attempts failed; it is tried again, and `statusReason` says why they failed.',
  PAUSED: 'Nothing is sent, and nothing is lost, until `updateWebhook` resumes it. `statusReason` says why.',
});

const WebhookFilter = builder.objectRef<WebhookFilterFacts>('WebhookFilter').implement({
  description: 'Which events a webhook is sent. All that is given must hold.',
  fields: (t) => ({
    clusterIds: t.idList({
      nullable: true,
      description: 'Only events about these clusters, their instances and operations; null: whatever they are about.',
      resolve: ({ clusterIds }) => clusterIds?.map((id) => toGlobalId('Cluster', id)) ?? null,
    }),
    types: t.expose('types', {
      type: [EventType],
      nullable: true,
      description: 'Only events of these types; null: of all types.',
    }),
    statuses: t.exposeStringList('statuses', {
      nullable: true,
      description: 'Only events with one of these as `toStatus`; null: whatever it is.',
    }),
  }),
});

export const WebhookFilterInput = builder.inputType('WebhookFilterInput', {
  description: 'Which events a webhook is sent. All that is given must hold; at most 100 entries in a list.',
  fields: (t) => ({
    clusterIds: t.idList({ description: 'Only events about these clusters, their instances and operations.' }),
    types: t.field({ type: [EventType], description: 'Only events of these types.' }),
    statuses: t.stringList({ description: 'Only events with one of these as `toStatus`, e.g. ACTIVE or FAILED.' }),
  }),
});

/** The filter with plain ids. Throws NotFoundError for what is no id of a cluster. */
export function plainFilter(filter: typeof WebhookFilterInput.$inferInput | null | undefined) {
  if (filter == null) return null;
  return { ...filter, clusterIds: filter.clusterIds?.map((id) => requireIdOf('Cluster', id)) ?? null };
}

const WebhookLag = builder.objectRef<WebhookLagFacts>('WebhookLag').implement({
  description: 'What a webhook has yet to deliver.',
  fields: (t) => ({
    events: t.exposeInt('events', {
      description: `How many events behind its cursor pass its filter; counted up to ${countedEvents}.`,
    }),
    since: t.expose('since', {
      type: 'DateTime',
      nullable: true,
      description: 'When the oldest of them happened; null if there is none.',
    }),
  }),
});

const WebhookDelivery = builder.prismaObject('WebhookDelivery', {
  description: 'One attempt to deliver one message of a webhook.',
  select: { id: true },
  fields: (t) => ({
    messageId: t.exposeString('messageId', {
      description: 'What the receiver got as `webhook-id`: the same for each attempt at one message.',
    }),
    attempt: t.exposeInt('attempt', { description: 'Which attempt at the message it was, from 1.' }),
    at: t.expose('createdAt', { type: 'DateTime', description: 'When the request began.' }),
    durationMs: t.exposeInt('durationMs', { description: 'How long it took, in milliseconds.' }),
    delivered: t.exposeBoolean('delivered', {
      description: 'True if the receiver answered with a status of 200 to 299.',
    }),
    httpStatus: t.exposeInt('httpStatus', {
      nullable: true,
      description: 'The status of the answer; null if none came.',
    }),
    error: t.exposeString('error', { nullable: true, description: 'Why it failed; null if it did not.' }),
    answer: t.exposeString('answer', {
      nullable: true,
      description: "The beginning of a refusal's body, at most 200 characters; null if there is none.",
    }),
    events: t.exposeInt('events', { description: 'How many events were in the message.' }),
    cursor: t.field({
      type: 'Cursor',
      description: 'Behind the last event of the message.',
      select: { lastSeq: true },
      resolve: ({ lastSeq }, _args, { feed }) => feed.encode(lastSeq),
    }),
  }),
});

const WebhookDeliveryConnection = builder.connectionObject(
  {
    type: WebhookDelivery,
    name: 'WebhookDeliveryConnection',
    description: 'A page of deliveries.',
    extensions: nodesOf('WebhookDelivery'),
  },
  { name: 'WebhookDeliveryEdge', description: 'A delivery in a page.' },
);

export const Webhook = builder.prismaNode('Webhook', {
  description: "Where a project's events are sent. Read by keys of role ADMIN only, since its URL may hold a token.",
  authScopes: { permission: 'webhooks:manage' },
  id: { field: 'id', description: 'Opaque and for ever the same.' },
  select: { id: true },
  fields: (t) => ({
    url: t.exposeString('url', { description: 'Where messages are posted.' }),
    description: t.exposeString('description', { description: "What it is for, in its maker's words." }),
    filter: t.field({
      type: WebhookFilter,
      description: 'Which events it is sent.',
      select: { filter: true },
      resolve: ({ filter }) => filter as WebhookFilterFacts,
    }),
    status: t.expose('status', { type: WebhookStatus, description: 'How its deliveries stand.' }),
    statusReason: t.exposeString('statusReason', {
      nullable: true,
      description: 'Why it is FAILING or PAUSED; null while it is ACTIVE.',
    }),
    statusChangedAt: t.expose('statusChangedAt', { type: 'DateTime', description: 'When the status last changed.' }),
    cursor: t.field({
      type: 'Cursor',
      description: 'Everything up to here was delivered, or did not pass the filter.',
      select: { cursorSeq: true },
      resolve: ({ cursorSeq }, _args, { feed }) => feed.encode(cursorSeq),
    }),
    lag: t.field({
      type: WebhookLag,
      description: 'What it has yet to deliver. Costs two statements for each webhook.',
      select: { projectId: true, cursorSeq: true, filter: true },
      resolve: (webhook, _args, { db }) => webhookLag(db, webhook),
    }),
    failedAttempts: t.exposeInt('failedAttempts', { description: 'How many attempts in a row have failed.' }),
    nextAttemptAt: t.expose('nextAttemptAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When a message that failed is tried again; null if none has to wait.',
    }),
    previousSecretExpiresAt: t.expose('previousSecretExpiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Until when messages are signed with the secret before the last rotation too; null: there is none.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When its settings were last changed.' }),
    deliveries: t.connection(
      {
        type: WebhookDelivery,
        description:
          'The attempts to deliver, the newest first: of the last seven days, and at most 1,000. Costs a statement for each webhook.',
        resolve: ({ id }, args, context, info) =>
          keysetConnection({
            context,
            info,
            args,
            ordering: { column: 'createdAt', direction: 'desc' },
            where: {
              webhookId: id,
              webhook: { projectId: requireActor(context).projectId },
            } satisfies Prisma.WebhookDeliveryWhereInput,
            find: (query) => context.db.webhookDelivery.findMany(query),
            count: (query) => context.db.webhookDelivery.count(query),
          }),
      },
      WebhookDeliveryConnection,
    ),
  }),
});

builder.queryField('webhooks', (t) =>
  t.connection(
    {
      type: Webhook,
      authScopes: { permission: 'webhooks:manage' },
      description: "The project's webhooks in the order in which they were made. Needs a key of role ADMIN.",
      resolve: (_root, args, context, info) =>
        keysetConnection({
          context,
          info,
          args,
          ordering: { column: 'createdAt', direction: 'asc' },
          where: { projectId: requireActor(context).projectId } satisfies Prisma.WebhookWhereInput,
          find: (query) => context.db.webhook.findMany(query),
          count: (query) => context.db.webhook.count(query),
        }),
    },
    { name: 'WebhookConnection', description: 'A page of webhooks.', extensions: nodesOf('Webhook') },
    { name: 'WebhookEdge', description: 'A webhook in a page.' },
  ),
);
