import { Client } from 'pg';
import { pino } from 'pino';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { InvalidInputError } from '#domain/errors.ts';
import { createFeed } from '#events/feed.ts';
import { createInProcessBus } from '#events/inProcessBus.ts';
import type { FeedOptions } from '#events/subscription.ts';
import { transact } from '#events/transact.ts';
import { systemClock } from '#lib/time/clock.ts';
import { createDatabase } from '#store/database.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { createProjectLog, Reading } from '../support/projectLog.ts';

const patience = { timeout: 10_000, interval: 20 };
const logger = pino({ level: 'silent' });
const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);

describe('the feed', () => {
  let store: TestDatabase;
  let names = 0;
  beforeAll(async () => {
    store = await createTestDatabase();
    return () => store.close();
  });

  /** A feed over the store and a project of its own. The look without a wake-up is rare, so that a test sees what wakes. */
  async function setUp(options: Partial<FeedOptions> = {}, { db = store.db, readBus = createInProcessBus() } = {}) {
    const bus = readBus;
    const feed = await createFeed({ db, bus, clock: systemClock, logger, options: { lookMs: 60_000, ...options } });
    onTestFinished(() => feed.close());
    names += 1;
    const log = await createProjectLog(store.db, bus, `project ${names}`);
    const read = (after: string | null = null, more: object = {}) => {
      const reading = new Reading(feed, { projectId: log.projectId, after, ...more });
      onTestFinished(() => reading.end());
      return reading;
    };
    return { feed, bus, read, ...log };
  }

  test('hands on what is committed from now on, in order', async () => {
    const { feed, read, projectId, write } = await setUp();
    await write('before');
    const reading = read(await feed.cursorNow(projectId));
    await write('one');
    await write('two', 'three');
    expect(await reading.labels(3)).toEqual(['one', 'two', 'three']);
  });

  test('replays after a cursor, then goes on live', async () => {
    const { feed, read, write } = await setUp();
    await write(...numbers(3));
    const reading = read(feed.encode(1n));
    expect(await reading.labels(2)).toEqual(['1', '2']);
    await write('live');
    expect(await reading.labels(1)).toEqual(['live']);
  });

  test('replays thousands from Postgres and from memory without a loss', async () => {
    const { feed, read, write } = await setUp({ ringSize: 100 });
    const keeper = read(feed.encode(0n));
    for (let page = 0; page < 6; page += 1) await write(...numbers(400));
    const all = numbers(6).flatMap(() => numbers(400));
    expect(await keeper.labels(2400)).toEqual(all);
    expect(await read(feed.encode(0n)).labels(2400)).toEqual(all);
    expect(await read(feed.encode(2350n)).labels(50)).toEqual(all.slice(2350));
  });

  test('finds what was committed without a wake-up', async () => {
    const deaf = { ...createInProcessBus(), subscribe: () => () => {} };
    const { feed, read, write } = await setUp({ lookMs: 20 }, { readBus: deaf });
    const reading = read(feed.encode(0n));
    await write('quiet');
    expect(await reading.labels(1)).toEqual(['quiet']);
  });

  test('reads the log once however many subscribe, and never without subscribers', async () => {
    const db = createDatabase(store.url);
    onTestFinished(() => db.$disconnect());
    const queries: string[] = [];
    const { feed, read, write } = await setUp({}, { db });
    const readings = Array.from({ length: 50 }, () => read(feed.encode(0n)));
    await write('first');
    for (const reading of readings) expect(await reading.labels(1)).toEqual(['first']);
    (db as unknown as { $on(event: 'query', listener: (query: { query: string }) => void): void }).$on(
      'query',
      ({ query }) => queries.push(query),
    );
    await write('second');
    for (const reading of readings) expect(await reading.labels(1)).toEqual(['second']);
    expect(queries).toHaveLength(1);
    await Promise.all(readings.map((reading) => reading.end()));
    await write('third');
    expect(queries).toHaveLength(1);
  });

  test('tells a crowd everything in order, and takes none of it for slow whose turn comes late', async () => {
    // Two pages of the reader may wait, and there are more.
    const { feed, read, write } = await setUp({ maxWaitingEvents: 1000 });
    const crowd = Array.from({ length: 150 }, () => read(feed.encode(0n)));
    const labels = numbers(2000);
    const told = crowd.map((reading) => reading.labels(labels.length));
    for (let from = 0; from < labels.length; from += 100) await write(...labels.slice(from, from + 100));
    for (const one of await Promise.all(told)) expect(one).toEqual(labels);
  });

  test('tells a consumer that asks twice at once in turn', async () => {
    const { read, write, feed } = await setUp();
    const reading = read(feed.encode(0n));
    await write('first');
    expect(await reading.labels(1)).toEqual(['first']);
    const both = [reading.labels(1), reading.labels(1)];
    await write('one');
    expect(await both[0]).toEqual(['one']);
    await write('two');
    expect(await both[1]).toEqual(['two']);
  });

  test('filters, and lets the cursor pass what was filtered out', async () => {
    const { feed, read, write, projectId } = await setUp({ heartbeatMs: 40 });
    const reading = read(feed.encode(0n), {
      filter: { key: 'yes', wants: (event: { toStatus: string }) => event.toStatus.startsWith('yes') },
    });
    await write('no', 'yes 1', 'no', 'yes 2');
    expect(await reading.labels(2)).toEqual(['yes 1', 'yes 2']);
    await write('no', 'no');
    const now = await feed.cursorNow(projectId);
    await vi.waitFor(
      async () => expect(await reading.next()).toMatchObject({ kind: 'heartbeat', cursor: now }),
      patience,
    );
  });

  test('is never silent for longer than a heartbeat', async () => {
    const { read, feed, projectId } = await setUp({ heartbeatMs: 30 });
    const reading = read();
    const cursor = await feed.cursorNow(projectId);
    expect(await reading.next()).toEqual({ kind: 'heartbeat', cursor, at: expect.any(Date) });
    expect(await reading.next()).toMatchObject({ kind: 'heartbeat' });
  });

  test('ends a subscriber that is too slow with the cursor to resume from, and delays nobody else', async () => {
    const { feed, read, write } = await setUp({ maxWaitingEvents: 10, heartbeatMs: 30 });
    const [slow, quick] = [read(), read()];
    expect(await slow.next()).toMatchObject({ kind: 'heartbeat' });
    expect(await quick.next()).toMatchObject({ kind: 'heartbeat' });
    for (const label of numbers(12)) {
      await write(label);
      expect(await quick.labels(1)).toEqual([label]);
    }
    expect(await slow.next()).toEqual({ kind: 'overflow', cursor: feed.encode(0n) });
    expect(await slow.next()).toBeNull();
    expect(await read(slow.cursor).labels(12)).toEqual(numbers(12));
  });

  test('bounds the bytes that wait, too', async () => {
    const { read, bus, actor } = await setUp({ maxWaitingBytes: 10_000, heartbeatMs: 30 });
    const [reading, quick] = [read(), read()];
    const large = () =>
      transact({ db: store.db, bus, clock: systemClock }, actor, async ({ record }) =>
        record({ type: 'CLUSTER_UPDATED', payload: { text: 'x'.repeat(4_000) } }),
      );
    expect(await reading.next()).toMatchObject({ kind: 'heartbeat' });
    expect(await quick.next()).toMatchObject({ kind: 'heartbeat' });
    for (let turn = 0; turn < 3; turn += 1) await large();
    await quick.labels(3);
    expect(await reading.next()).toMatchObject({ kind: 'overflow' });
  });

  test('says that the cursor is older than the log, and goes on from now', async () => {
    const { feed, read, write, projectId } = await setUp();
    await write(...numbers(5));
    await store.db.event.deleteMany({ where: { projectId, seq: { lte: 3n } } });
    const reading = read(feed.encode(2n));
    expect(await reading.next()).toEqual({ kind: 'gap', reason: 'OUT_OF_RETENTION', oldestCursor: feed.encode(3n) });
    await write('live');
    expect(await reading.labels(1)).toEqual(['live']);
    expect(await read(feed.encode(3n)).labels(3)).toEqual(['3', '4', 'live']);
  });

  test('says that the cursor is of another store', async () => {
    const { feed, read, write } = await setUp();
    const other = await createTestDatabase();
    onTestFinished(() => other.close());
    const foreignFeed = await createFeed({ db: other.db, bus: createInProcessBus(), clock: systemClock, logger });
    await write('old');
    const reading = read(foreignFeed.encode(0n));
    expect(await reading.next()).toEqual({ kind: 'gap', reason: 'FOREIGN_EPOCH', oldestCursor: feed.encode(0n) });
    await write('live');
    expect(await reading.labels(1)).toEqual(['live']);
  });

  test('says that the cursor is beyond the end', async () => {
    const { feed, read, write } = await setUp();
    await write('one');
    const reading = read(feed.encode(2n));
    expect(await reading.next()).toEqual({ kind: 'gap', reason: 'BEYOND_END', oldestCursor: feed.encode(0n) });
    await write('two');
    expect(await reading.labels(1)).toEqual(['two']);
  });

  test('takes a cursor that another node gave for an event that this one has not read yet', async () => {
    const deaf = { ...createInProcessBus(), subscribe: () => () => {} };
    const { feed, read, write } = await setUp({}, { readBus: deaf });
    const first = read(feed.encode(0n));
    await write('one');
    const open = first.next();
    await write('two');
    const reading = read(feed.encode(2n));
    const next = reading.next();
    await write('three');
    const nudge = read(feed.encode(3n));
    nudge.next().catch(() => {});
    expect(await next).toMatchObject({ kind: 'batch', events: [{ toStatus: 'three' }] });
    expect(await open).toMatchObject({ kind: 'batch' });
  });

  test('tells live subscribers when the store was restored under it', async () => {
    const { feed, read, write, projectId } = await setUp({ lookMs: 20 });
    const reading = read(feed.encode(0n));
    await write(...numbers(3));
    await reading.labels(3);
    await store.db.$transaction([
      store.db.event.deleteMany({ where: { projectId, seq: { gt: 1n } } }),
      store.db.project.update({ where: { id: projectId }, data: { eventSeq: 1n } }),
    ]);
    expect(await reading.next()).toEqual({ kind: 'gap', reason: 'BEYOND_END', oldestCursor: feed.encode(0n) });
    await write('after');
    expect(await reading.labels(1)).toEqual(['after']);
  });

  test('outlasts a store that goes away: heartbeats while it is, and nothing lost after', async () => {
    const fragile = await createTestDatabase();
    const admin = new Client({ connectionString: store.url });
    await admin.connect();
    onTestFinished(async () => {
      await admin.end();
      await fragile.close();
    });
    const bus = createInProcessBus();
    const log = await createProjectLog(fragile.db, bus, 'fragile');
    const feed = await createFeed({
      db: fragile.db,
      bus,
      clock: systemClock,
      logger,
      options: { heartbeatMs: 50, lookMs: 20 },
    });
    onTestFinished(() => feed.close());
    const live = new Reading(feed, { projectId: log.projectId, after: feed.encode(0n) });
    await log.write('before');
    expect(await live.labels(1)).toEqual(['before']);

    const name = new URL(fragile.url).pathname.slice(1);
    await admin.query(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS false`);
    await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
    await expect(log.write('never')).rejects.toThrow();
    for (let beat = 0; beat < 3; beat += 1) expect(await live.next()).toMatchObject({ kind: 'heartbeat' });

    await admin.query(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS true`);
    await log.write('after');
    expect(await live.labels(1)).toEqual(['after']);
  });

  test('refuses what was never a cursor', async () => {
    const { feed, projectId } = await setUp();
    expect(() => feed.subscribe({ projectId, after: 'nonsense' })).toThrow(InvalidInputError);
  });

  test('ends at once when the consumer leaves or its signal says so', async () => {
    const { read } = await setUp();
    const leaving = read();
    const waiting = leaving.next();
    await leaving.end();
    expect(await waiting).toBeNull();
    const controller = new AbortController();
    const aborted = read(null, { signal: controller.signal }).next();
    controller.abort();
    expect(await aborted).toBeNull();
  });

  test('breaks only the stream whose filter breaks', async () => {
    const { feed, read, write } = await setUp();
    const good = read(feed.encode(0n));
    const bad = read(null, {
      filter: {
        key: 'broken',
        wants: () => {
          throw new Error('broken filter');
        },
      },
    });
    const broken = expect(bad.next()).rejects.toThrow('broken filter');
    await write('one');
    expect(await good.labels(1)).toEqual(['one']);
    await write('two');
    expect(await good.labels(1)).toEqual(['two']);
    await broken;
  });

  test('closes with what waits, a last heartbeat and the end', async () => {
    const { feed, read, write, projectId } = await setUp();
    const reading = read(feed.encode(0n));
    await write('one');
    await reading.labels(1);
    const idle = read();
    const waiting = idle.next();
    const closed = feed.close();
    const cursor = feed.encode(1n);
    expect(await waiting).toMatchObject({ kind: 'heartbeat', cursor });
    expect(await idle.next()).toBeNull();
    expect(await reading.next()).toMatchObject({ kind: 'heartbeat', cursor });
    expect(await reading.next()).toBeNull();
    await closed;
    expect(await feed.cursorNow(projectId)).toBe(cursor);
  });

  test('does not wait for ever for a consumer that takes nothing when it closes', async () => {
    const { feed, read, write } = await setUp();
    const stuck = read(feed.encode(0n));
    await write('one');
    await stuck.labels(1);
    const begun = performance.now();
    await feed.close();
    expect(performance.now() - begun).toBeLessThan(2_000);
  });
});
