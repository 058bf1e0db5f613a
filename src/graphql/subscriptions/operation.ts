import type { LoggedEvent } from '#events/event.ts';
import type { FeedMessage } from '#events/subscription.ts';
import { builder } from '../builder.ts';
import type { Context } from '../context.ts';
import { notFound, requireActor } from '../errors.ts';
import { idOf, nounOf } from '../globalId.ts';
import { endable } from './endable.ts';

/** One moment at which the operation is to be read. Shared by its watchers: what is read of it is read once. */
type Change = { operationId: string; ended: boolean };

builder.subscriptionField('operation', (t) =>
  t.prismaField({
    type: 'Operation',
    description:
      'An operation as it is now, then at each change of its status or of a step. Completes when the operation has ended.',
    args: { id: t.arg.id({ required: true, description: 'The id of the operation.' }) },
    subscribe: async (_root, { id }, context) => {
      const operationId = idOf('Operation', id);
      const cursor = await context.feed.cursorNow(requireActor(context).projectId);
      const first = operationId && (await changeOf(context, operationId));
      if (!first) throw notFound(nounOf('Operation'));
      return endable((signal) => changesOf(context, first, { after: cursor, signal })) as AsyncIterable<never>;
    },
    resolve: (query, change, _args, context) =>
      context.db.operation.findUniqueOrThrow({
        ...query,
        where: { id: (change as Change).operationId, projectId: requireActor(context).projectId },
      }),
  }),
);

type Start = { after: string; signal: AbortSignal };

/** How the operation stands. Null: there is none such in the project. */
async function changeOf(context: Context, id: string): Promise<Change | null> {
  const operation = await context.db.operation.findUnique({
    where: { id, projectId: requireActor(context).projectId },
    select: { finishedAt: true },
  });
  return operation && { operationId: id, ended: operation.finishedAt !== null };
}

/** Those that a message of the feed was made into: watchers of one operation are handed the same messages. */
const changesOfMessages = new WeakMap<FeedMessage, Promise<Change | null>>();

function sharedChange(context: Context, operationId: string, message: FeedMessage): Promise<Change | null> {
  const change = changesOfMessages.get(message) ?? changeOf(context, operationId);
  changesOfMessages.set(message, change);
  return change;
}

/**
 * Yields whenever the operation is to be read: now, and after each batch of its events. Whether it has ended is asked before
 * it is yielded, so that the last answer, which is read later, shows the end.
 */
async function* changesOf(context: Context, first: Change, from: Start): AsyncGenerator<Change, void> {
  yield first;
  if (first.ended) return;
  for await (const message of follow(context, first.operationId, from)) {
    if (message.kind === 'heartbeat') continue;
    const change = await sharedChange(context, first.operationId, message);
    if (change === null) return;
    yield change;
    if (change.ended) return;
  }
}

/** The operation's part of the log. Begins again where it was cut for slowness: the state is what is told, not each event. */
async function* follow(
  context: Context,
  operationId: string,
  { after, signal }: Start,
): AsyncGenerator<FeedMessage, void> {
  const { projectId } = requireActor(context);
  let cursor: string | null = after;
  while (cursor !== null) {
    const from: string = cursor;
    cursor = null;
    const filter = {
      key: `operation ${operationId}`,
      wants: (event: LoggedEvent) => event.operationId === operationId,
    };
    for await (const message of context.feed.subscribe({ projectId, after: from, filter, signal })) {
      if (message.kind === 'overflow') cursor = message.cursor;
      yield message;
    }
  }
}
