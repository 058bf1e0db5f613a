import fc from 'fast-check';
import { pino } from 'pino';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createFeed } from '#events/feed.ts';
import { createInProcessBus } from '#events/inProcessBus.ts';
import { transact } from '#events/transact.ts';
import { type EventRetention, eventRetention } from '#monitors/eventRetention.ts';
import type { Database } from '#store/database.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { createProjectLog, Reading } from '../support/projectLog.ts';

const logger = pino({ level: 'silent' });
const dayMs = 24 * 60 * 60 * 1000;
const now = new Date('2026-06-15T12:00:00Z');
const clock = { now: () => now };

describe('the retention of events', () => {
  let store: TestDatabase;
  let names = 0;
  beforeAll(async () => {
    store = await createTestDatabase();
    return () => store.close();
  });

  /** A project whose events are so many days old, in the order in which they were committed. */
  async function logOf(ages: number[], name = `project ${++names}`) {
    const bus = createInProcessBus();
    const log = await createProjectLog(store.db, bus, name);
    for (const [index, age] of ages.entries()) {
      const at = { now: () => new Date(now.getTime() - age * dayMs) };
      await transact({ db: store.db, bus, clock: at }, log.actor, async ({ record }) =>
        record({ type: 'CLUSTER_UPDATED', toStatus: `${index + 1}` }),
      );
    }
    const feed = await createFeed({ db: store.db, bus, clock, logger });
    onTestFinished(() => feed.close());
    const read = (seq: bigint | null) => {
      const reading = new Reading(feed, { projectId: log.projectId, after: seq === null ? null : feed.encode(seq) });
      onTestFinished(() => reading.end());
      return reading;
    };
    return { ...log, name, feed, read };
  }

  const clean = (retention: Partial<EventRetention> = {}, db: Database = store.db) =>
    eventRetention({ db, clock, logger, retention: { days: 7, daysByProject: {}, ...retention } }).round();

  test('removes what is older than seven days; a cursor before that is told the gap, one after it resumes whole', async () => {
    const { labels, feed, read, write } = await logOf([9, 8, 7.001, 6.999, 3, 0]);
    await clean();
    expect(await labels()).toEqual(['4', '5', '6']);
    const gap = { kind: 'gap', reason: 'OUT_OF_RETENTION', oldestCursor: feed.encode(3n) };
    expect(await read(0n).next()).toEqual(gap);
    expect(await read(2n).next()).toEqual(gap);
    const resumed = read(3n);
    expect(await resumed.labels(3)).toEqual(['4', '5', '6']);
    await write('7');
    expect(await resumed.labels(1)).toEqual(['7']);
  });

  test('disturbs no live stream, and what a node has in memory it still tells', async () => {
    const { read, write } = await logOf([9, 8, 1]);
    const live = read(2n);
    expect(await live.labels(1)).toEqual(['3']);
    await clean();
    await write('4');
    expect(await live.labels(1)).toEqual(['4']);
    expect(await read(0n).labels(4)).toEqual(['1', '2', '3', '4']);
  });

  test('keeps what is young by its time, and all that was committed after it', async () => {
    const { labels } = await logOf([9, 6, 30, 8, 1]);
    await clean();
    expect(await labels()).toEqual(['2', '3', '4', '5']);
  });

  test('of a log that it empties the end is the oldest cursor, and counting goes on', async () => {
    const { labels, feed, read, write, projectId } = await logOf([9, 9, 9]);
    await clean();
    expect(await labels()).toEqual([]);
    expect(await feed.cursorNow(projectId)).toBe(feed.encode(3n));
    expect(await read(2n).next()).toEqual({ kind: 'gap', reason: 'OUT_OF_RETENTION', oldestCursor: feed.encode(3n) });
    const atEnd = read(3n);
    await write('4');
    expect(await atEnd.labels(1)).toEqual(['4']);
    expect(await read(3n).labels(1)).toEqual(['4']);
  });

  test('may differ by project', async () => {
    const [short, usual, long] = [await logOf([9, 2]), await logOf([9, 2]), await logOf([9, 2])];
    await clean({ daysByProject: { [short.name]: 1, [long.name]: 30 } });
    expect([await short.labels(), await usual.labels(), await long.labels()]).toEqual([[], ['2'], ['1', '2']]);
  });

  test('takes thousands in one round, in batches', async () => {
    const { labels, write, projectId } = await logOf([]);
    for (let count = 0; count < 4; count += 1) await write(...Array.from({ length: 700 }, (_, index) => `${index}`));
    await store.db.event.updateMany({ where: { projectId, seq: { lte: 2500n } }, data: { at: new Date(0) } });
    await store.db.event.updateMany({ where: { projectId, seq: { gt: 2500n } }, data: { at: now } });
    const sizes: number[] = [];
    const counting = new Proxy(store.db, {
      get: (target, name) =>
        name !== '$executeRaw'
          ? Reflect.get(target, name)
          : async (...args: Parameters<Database['$executeRaw']>) => {
              const removed = await target.$executeRaw(...args);
              sizes.push(removed);
              return removed;
            },
    });
    await clean({}, counting);
    expect(Math.max(...sizes)).toBe(1000);
    expect(await labels()).toHaveLength(300);
  });

  test('blocks no writer, even while it is in the middle of it', async () => {
    const { labels, write } = await logOf([9, 8, 1]);
    await store.db.$transaction(async (tx) => {
      await clean({}, tx as Database);
      await write('meanwhile');
    });
    expect(await labels()).toEqual(['3', 'meanwhile']);
  });

  test('leaves the end of the log without a hole, and never removes what is young', async () => {
    const ages = fc.array(fc.constantFrom(1, 6.9, 7.1, 20), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(ages, async (given) => {
        const { labels } = await logOf(given);
        await clean();
        const firstYoung = given.findIndex((age) => age < 7);
        const kept = given.map((_, index) => `${index + 1}`).slice(firstYoung === -1 ? given.length : firstYoung);
        expect(await labels()).toEqual(kept);
      }),
      { numRuns: 25 },
    );
  });
});
