import type { FeedMessage, Subscription } from '#events/subscription.ts';
import { builder } from '../builder.ts';
import type { Context } from '../context.ts';
import { expected, requireActor } from '../errors.ts';
import { EventFilter, feedFilter } from '../types/Event.ts';
import { endable } from './endable.ts';
import { messageTypes, ofTheActorsProject } from './messages.ts';

const EventMessage = builder.unionType('EventMessage', {
  description: 'What the stream of events says. More members may be added.',
  types: Object.values(messageTypes),
  resolveType: (message) => messageTypes[(message as FeedMessage).kind],
});

builder.subscriptionField('events', (t) =>
  t.field({
    type: EventMessage,
    description: "The project's log: what came after the cursor, then what comes, each event once and in commit order.",
    args: {
      after: t.arg({
        type: 'Cursor',
        description: 'Begin behind this cursor. Left out: from now on, said by a Heartbeat with the cursor of now.',
      }),
      filter: t.arg({ type: EventFilter, description: 'Which events to tell; all when left out.' }),
    },
    subscribe: (_root, { after = null, filter }, context) => {
      const wanted = feedFilter(filter ?? {});
      return after === null
        ? endable((signal) => fromNowOn(context, { filter: wanted, signal }))
        : expected(() => follow(context, { after, filter: wanted }));
    },
    resolve: (message, _args, context) => ofTheActorsProject(context, message as FeedMessage),
  }),
);

type Start = Pick<Subscription, 'filter' | 'signal'>;

/** The cursor comes first: a client whose connection is lost before anything has happened can come back with it. */
async function* fromNowOn(context: Context, start: Start): AsyncGenerator<FeedMessage, void> {
  const cursor = await context.feed.cursorNow(requireActor(context).projectId);
  yield { kind: 'heartbeat', cursor, at: context.operations.clock.now() };
  yield* follow(context, { ...start, after: cursor });
}

function follow(context: Context, start: Start & { after: string }): AsyncIterable<FeedMessage> {
  return context.feed.subscribe({ ...start, projectId: requireActor(context).projectId });
}
