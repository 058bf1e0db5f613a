import type { EventFilter, FeedMessage } from '#events/subscription.ts';
import { builder } from '../builder.ts';
import type { Context } from '../context.ts';
import { expected, requireActor } from '../errors.ts';
import { EventFilter as EventFilterInput, feedFilter } from '../types/Event.ts';
import { beginningWith } from './beginningWith.ts';
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
      filter: t.arg({ type: EventFilterInput, description: 'Which events to tell; all when left out.' }),
    },
    subscribe: (_root, { after = null, filter }, context) => {
      const wanted = feedFilter(filter ?? {});
      return after === null
        ? beginningWith(() => fromNowOn(context, wanted))
        : expected(() => follow(context, { after, filter: wanted }));
    },
    resolve: (message, _args, context) => ofTheActorsProject(context, message as FeedMessage),
  }),
);

/** The cursor comes first: a client whose connection is lost before anything has happened can come back with it. */
async function fromNowOn(context: Context, filter: EventFilter) {
  const at = context.operations.clock.now();
  const cursor = await context.feed.cursorNow(requireActor(context).projectId);
  const first: FeedMessage = { kind: 'heartbeat', cursor, at };
  return { first, rest: follow(context, { after: cursor, filter }) };
}

function follow(context: Context, start: { after: string; filter: EventFilter }): AsyncIterable<FeedMessage, void> {
  return context.feed.subscribe({ ...start, projectId: requireActor(context).projectId });
}
