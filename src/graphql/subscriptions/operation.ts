import type { FeedMessage } from '#events/feed.ts';
import { builder } from '../builder.ts';
import type { Context } from '../context.ts';
import { notFound, requireActor } from '../errors.ts';
import { idOf, nounOf } from '../globalId.ts';
import { endable } from './endable.ts';

builder.subscriptionField('operation', (t) =>
  t.prismaField({
    type: 'Operation',
    description:
      'An operation as it is now, then at each change of its status or of a step. Completes when the operation has ended.',
    args: { id: t.arg.id({ required: true, description: 'The id of the operation.' }) },
    subscribe: async (_root, { id }, context) => {
      const operationId = idOf('Operation', id);
      const cursor = await context.feed.cursorNow(requireActor(context).projectId);
      if (operationId === null || (await hasEnded(context, operationId)) === null) throw notFound(nounOf('Operation'));
      return endable((signal) => changesOf(context, operationId, { after: cursor, signal })) as AsyncIterable<never>;
    },
    resolve: (query, operationId, _args, context) =>
      context.db.operation.findUniqueOrThrow({
        ...query,
        where: { id: operationId as unknown as string, projectId: requireActor(context).projectId },
      }),
  }),
);

type Start = { after: string; signal: AbortSignal };

/** Whether the operation has ended. Null: there is none such in the project. */
async function hasEnded(context: Context, id: string): Promise<boolean | null> {
  const operation = await context.db.operation.findUnique({
    where: { id, projectId: requireActor(context).projectId },
    select: { finishedAt: true },
  });
  return operation && operation.finishedAt !== null;
}

/**
 * Yields the id whenever the operation is to be read: now, and after each batch of its events. Whether it has ended is asked
 * before it is yielded, so that the last answer, which is read later, shows the end.
 */
async function* changesOf(context: Context, operationId: string, from: Start): AsyncGenerator<string, void> {
  let ended = (await hasEnded(context, operationId)) ?? true;
  yield operationId;
  if (ended) return;
  for await (const message of follow(context, operationId, from)) {
    if (message.kind === 'heartbeat') continue;
    ended = (await hasEnded(context, operationId)) ?? true;
    yield operationId;
    if (ended) return;
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
    const filter = (event: { operationId: string | null }) => event.operationId === operationId;
    for await (const message of context.feed.subscribe({ projectId, after: from, filter, signal })) {
      if (message.kind === 'overflow') cursor = message.cursor;
      yield message;
    }
  }
}
