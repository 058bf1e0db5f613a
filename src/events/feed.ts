import type { Clock } from '#lib/clock.ts';
import { inTurn } from '#lib/inTurn.ts';
import type { Logger } from '#lib/logger.ts';
import type { Bus } from './bus.ts';
import { type DecodedCursor, decodeCursor, encodeCursor } from './cursor.ts';
import type { LoggedEvent } from './event.ts';
import { createEventLog, type EventLogDatabase } from './eventLog.ts';
import { ProjectReaders } from './projectReaders.ts';
import { Subscriber } from './subscriber.ts';

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

/**
 * A project's log as streams: replay, then live, each event once and in commit order. What cannot be kept is said in the stream.
 */
export interface Feed {
  /** Throws InvalidInputError if `after` is not a cursor. */
  subscribe(subscription: Subscription): AsyncIterable<FeedMessage, void>;
  /** After the project's last committed event. */
  cursorNow(projectId: string): Promise<string>;
  encode(seq: bigint): string;
  /** Throws InvalidInputError if it is not a cursor. */
  decode(cursor: string): DecodedCursor;
  /** Sends every subscriber a last heartbeat and ends its stream. */
  close(): Promise<void>;
}

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

const defaults: FeedOptions = {
  heartbeatMs: 15_000,
  lookMs: 1_000,
  ringSize: 4_096,
  maxWaitingEvents: 1_000,
  maxWaitingBytes: 1024 * 1024,
};

export type FeedDeps = {
  db: EventLogDatabase;
  bus: Bus;
  clock: Clock;
  logger: Logger;
  options?: Partial<FeedOptions>;
};

const LONGEST_FAREWELL_MS = 1_000;

export async function createFeed({ db, bus, clock, logger, options: given }: FeedDeps): Promise<Feed> {
  const options = { ...defaults, ...given };
  const log = await createEventLog(db);
  const readers = new ProjectReaders({ log, bus, logger, options, epoch: (await log.heads([])).epoch });
  const subscribers = new Set<Subscriber>();
  let closing = false;
  const common = { readers, clock, options, subscribers, closing: () => closing };

  const timer = setInterval(
    () => {
      void inTurn(subscribers, (subscriber) => subscriber.tick());
      readers.lookAround();
    },
    Math.min(options.lookMs, options.heartbeatMs),
  );
  timer.unref();

  return {
    subscribe(subscription) {
      const start = subscription.after === null ? null : decodeCursor(readers.epoch, subscription.after);
      return new Subscriber(common, subscription, start);
    },
    async cursorNow(projectId) {
      const { epoch, seqs } = await log.heads([projectId]);
      return encodeCursor(epoch, seqs.get(projectId) ?? 0n);
    },
    encode: (seq) => encodeCursor(readers.epoch, seq),
    decode: (cursor) => decodeCursor(readers.epoch, cursor),
    async close() {
      closing = true;
      clearInterval(timer);
      await sayFarewell(subscribers);
      readers.close();
    },
  };
}

/** Whoever does not take the last message in time is ended without it. */
async function sayFarewell(subscribers: Set<Subscriber>): Promise<void> {
  const leaving = [...subscribers];
  const cut = setTimeout(() => {
    for (const subscriber of leaving) subscriber.end();
  }, LONGEST_FAREWELL_MS);
  for (const subscriber of leaving) subscriber.wake();
  await Promise.all(leaving.map((subscriber) => subscriber.ended));
  clearTimeout(cut);
}
