import { InvalidInputError } from '#domain/errors.ts';
import type { LoggedEvent } from '#events/event.ts';
import type { Feed } from '#events/feed.ts';
import type { Prisma } from '#generated/prisma/client.ts';
import { builder } from '../builder.ts';
import { type PageArgs, pageRequest } from '../connections/pageRequest.ts';
import { type Connection, toConnection } from '../connections/toConnection.ts';
import type { Context } from '../context.ts';
import { badUserInput, requireActor } from '../errors.ts';
import { Cluster } from './Cluster.ts';
import { Event, EventFilter, eventCondition } from './Event.ts';

const EventConnection = builder.connectionObject(
  { type: Event, name: 'EventConnection', description: 'A page of events.' },
  { name: 'EventEdge', description: 'An event in a page.' },
);

/** A page of the project's log, oldest first; its cursors are those of the subscriptions. */
async function eventConnection(
  { db, feed, actor }: Pick<Context, 'db' | 'feed' | 'actor'>,
  args: PageArgs,
  condition: Prisma.EventWhereInput,
): Promise<Connection<LoggedEvent>> {
  const request = pageRequest(args);
  const where = { ...condition, projectId: requireActor({ actor }).projectId };
  const rows = await db.event.findMany({
    where: {
      ...where,
      seq: {
        ...(request.after === null ? {} : { gt: seqOf(feed, 'after', request.after) }),
        ...(request.before === null ? {} : { lt: seqOf(feed, 'before', request.before) }),
      },
    },
    orderBy: { seq: request.backward ? 'desc' : 'asc' },
    take: request.size + 1,
  });
  return toConnection(request, {
    rows: rows as unknown as LoggedEvent[],
    cursorOf: ({ seq }) => feed.encode(seq),
    totalCount: () => db.event.count({ where }),
  });
}

/** The store counts with signed 64 bits, a cursor without the sign. */
const greatestSeq = 2n ** 63n - 1n;

function seqOf(feed: Feed, side: 'after' | 'before', cursor: string): bigint {
  try {
    const decoded = feed.decode(cursor);
    if (decoded.ok) return BigInt.asIntN(64, decoded.seq) === decoded.seq ? decoded.seq : greatestSeq;
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    throw badUserInput(`"${side}" is not a cursor. Pass one that this API gave you.`);
  }
  throw badUserInput(`"${side}" is a cursor of another history of this store. Read the events again from the start.`);
}

const pageOfEvents = {
  first: 'How many from the oldest (or from `after`): 1 to 100, 20 when left out.',
  after: 'Begin behind this cursor: of an event, of a page, or of a subscription.',
  last: 'How many of the newest (or before `before`): 1 to 100. Not together with `first`.',
  before: 'End before this cursor.',
};

builder.queryField('events', (t) =>
  t.field({
    type: EventConnection,
    description: "The project's log, oldest first: every status transition in the order in which they were committed.",
    args: {
      filter: t.arg({ type: EventFilter, description: 'Which events to tell; all when left out.' }),
      first: t.arg.int({ description: pageOfEvents.first }),
      after: t.arg({ type: 'Cursor', description: pageOfEvents.after }),
      last: t.arg.int({ description: pageOfEvents.last }),
      before: t.arg({ type: 'Cursor', description: pageOfEvents.before }),
    },
    resolve: (_root, { filter, ...args }, context) => eventConnection(context, args, eventCondition(filter ?? {})),
  }),
);

builder.prismaObjectField(Cluster, 'events', (t) =>
  t.field({
    type: EventConnection,
    description: 'The part of the log that is about it, oldest first. Costs a statement for each cluster.',
    args: {
      first: t.arg.int({ description: pageOfEvents.first }),
      after: t.arg({ type: 'Cursor', description: pageOfEvents.after }),
      last: t.arg.int({ description: pageOfEvents.last }),
      before: t.arg({ type: 'Cursor', description: pageOfEvents.before }),
    },
    resolve: ({ id }, args, context) => eventConnection(context, args, { clusterId: id }),
  }),
);
