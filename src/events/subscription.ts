import type { LoggedEvent } from './event.ts';

/** Why a stream cannot be whole: the cursor is older than the log, from another history of the store, or beyond its end. */
export type GapReason = 'OUT_OF_RETENTION' | 'FOREIGN_EPOCH' | 'BEYOND_END';

/**
 * Every message carries the cursor to go on from, except a gap: `oldestCursor` is before the oldest event that is kept.
 * Never changed: subscribers that are at the same place with the same filter share one object, so that what is made of a message
 * can be made once.
 */
export type FeedMessage =
  | { kind: 'batch'; events: LoggedEvent[]; cursor: string }
  | { kind: 'heartbeat'; cursor: string; at: Date }
  /** Followed by the events from now on. */
  | { kind: 'gap'; reason: GapReason; oldestCursor: string }
  /** The last message: the subscriber was too slow. Nothing after the cursor was sent. */
  | { kind: 'overflow'; cursor: string };

/** Filters with the same key (not empty) must want the same events: their subscribers are handed the same messages. */
export type EventFilter = { key: string; wants(event: LoggedEvent): boolean };

export type Subscription = {
  projectId: string;
  /** Null: from now on. */
  after: string | null;
  /** Which events to send; the cursor passes the others all the same. Left out: all. */
  filter?: EventFilter;
  /** Ends the stream. */
  signal?: AbortSignal;
};

export type FeedOptions = {
  /** The longest silence on a stream. */
  heartbeatMs: number;
  /** How often the log is looked at without a wake-up. */
  lookMs: number;
  /** How many of a project's newest events are kept in memory. */
  ringSize: number;
  /** How many events may wait for a slow subscriber. */
  maxWaitingEvents: number;
  /** How many bytes of events, about, may wait for a slow subscriber. */
  maxWaitingBytes: number;
};
