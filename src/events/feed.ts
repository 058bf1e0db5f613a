import { inTurn } from '#lib/flow/inTurn.ts';
import type { Logger } from '#lib/log/logger.ts';
import type { Clock } from '#lib/time/clock.ts';
import type { Bus } from './bus.ts';
import { type DecodedCursor, decodeCursor, encodeCursor } from './cursor.ts';
import { createEventLog, type EventLogDatabase } from './eventLog.ts';
import { ProjectReaders } from './projectReaders.ts';
import { Subscriber } from './subscriber.ts';
import type { FeedMessage, FeedOptions, Subscription } from './subscription.ts';

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

const defaults: FeedOptions = {
  heartbeatMs: 15_000,
  lookMs: 1_000,
  ringSize: 4_096,
  maxWaitingEvents: 1_000,
  maxWaitingBytes: 1024 * 1024,
};

export type FeedDeps = {
  /** Of its own, and soon to give up a connection that is silent: who waits for it hears nothing. */
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
  const readers = new ProjectReaders({ log, bus, clock, logger, options, epoch: (await log.heads([])).epoch });
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
      if (subscription.after !== null) decodeCursor(readers.epoch, subscription.after);
      return new Subscriber(common, subscription);
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
