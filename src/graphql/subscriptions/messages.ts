import type { FeedMessage, GapReason } from '#events/subscription.ts';
import { builder } from '../builder.ts';
import type { Context } from '../context.ts';
import { describedEnum } from '../describedEnum.ts';
import { requireActor } from '../errors.ts';
import { Event } from '../types/Event.ts';

type Message<Kind extends FeedMessage['kind']> = Extract<FeedMessage, { kind: Kind }>;

export const EventBatch = builder.objectRef<Message<'batch'>>('EventBatch').implement({
  description: 'Events in the order in which they were committed, each told once.',
  fields: (t) => ({
    events: t.expose('events', { type: [Event], description: 'The events; at least one.' }),
    cursor: t.expose('cursor', { type: 'Cursor', description: 'Resume from here.' }),
  }),
});

export const Heartbeat = builder.objectRef<Message<'heartbeat'>>('Heartbeat').implement({
  description:
    'The stream is alive, and by `at` nothing more had happened that was asked for. Sent at least every 15 seconds, and when the server stops.',
  fields: (t) => ({
    cursor: t.expose('cursor', { type: 'Cursor', description: 'Resume from here.' }),
    at: t.expose('at', {
      type: 'DateTime',
      description: 'When the log was last read to its end. It stays behind while the store does not answer.',
    }),
  }),
});

const ResumeGapReason = describedEnum<GapReason>('ResumeGapReason', 'Why a stream cannot be whole.', {
  OUT_OF_RETENTION: 'The cursor is older than what the log keeps.',
  FOREIGN_EPOCH: 'The cursor is from another history: the store was restored or made anew.',
  BEYOND_END: 'The cursor lies beyond the end of the log.',
});

export const ResumeGap = builder.objectRef<Message<'gap'>>('ResumeGap').implement({
  description: 'Events are missing here: read the state anew. The events from now on follow.',
  fields: (t) => ({
    reason: t.expose('reason', { type: ResumeGapReason, description: 'Why they are missing.' }),
    oldestCursor: t.expose('oldestCursor', {
      type: 'Cursor',
      description: 'Before the oldest event that the log keeps.',
    }),
  }),
});

export const SlowSubscriber = builder.objectRef<Message<'overflow'>>('SlowSubscriber').implement({
  description:
    'The last message of a stream whose reader is too slow: too much was waiting. Nothing after the cursor was sent.',
  fields: (t) => ({ cursor: t.expose('cursor', { type: 'Cursor', description: 'Resume from here.' }) }),
});

/** The type of each message of the feed. */
export const messageTypes = {
  batch: EventBatch,
  heartbeat: Heartbeat,
  gap: ResumeGap,
  overflow: SlowSubscriber,
} as const;

/** Checks each message again, whatever the feed has done before: an event of another project breaks the stream. */
export function ofTheActorsProject<M extends { kind: string } | FeedMessage>(context: Context, message: M): M {
  const { projectId } = requireActor(context);
  const events = 'events' in message ? message.events : [];
  if (events.every((event) => event.projectId === projectId)) return message;
  throw new Error(`An event of another project was about to be sent to ${projectId}.`);
}
