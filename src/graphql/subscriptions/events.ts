import type { FeedMessage } from '#events/feed.ts';
import { builder } from '../builder.ts';
import { expected, requireActor } from '../errors.ts';
import { EventFilter, feedFilter } from '../types/Event.ts';
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
      after: t.arg({ type: 'Cursor', description: 'Begin behind this cursor. Left out: from now on.' }),
      filter: t.arg({ type: EventFilter, description: 'Which events to tell; all when left out.' }),
    },
    subscribe: (_root, { after = null, filter }, context) =>
      expected(() =>
        context.feed.subscribe({
          projectId: requireActor(context).projectId,
          after,
          filter: feedFilter(filter ?? {}),
        }),
      ),
    resolve: (message, _args, context) => ofTheActorsProject(context, message as FeedMessage),
  }),
);
