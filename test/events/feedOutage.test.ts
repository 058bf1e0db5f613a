import { pino } from 'pino';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createFeed } from '#events/feed.ts';
import { createInProcessBus } from '#events/inProcessBus.ts';
import { systemClock } from '#lib/time/clock.ts';
import type { Database } from '#store/database.ts';
import { cuttableDatabase } from '../support/cuttableDatabase.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { createProjectLog, Reading } from '../support/projectLog.ts';

const logger = pino({ level: 'silent' });

describe('the feed, when something becomes of the store', () => {
  let store: TestDatabase;
  beforeAll(async () => {
    store = await createTestDatabase();
    return () => store.close();
  });

  async function setUp(db: Database) {
    const bus = createInProcessBus();
    const feed = await createFeed({ db, bus, clock: systemClock, logger, options: { heartbeatMs: 50, lookMs: 20 } });
    onTestFinished(() => feed.close());
    const log = await createProjectLog(store.db, bus, crypto.randomUUID());
    const read = (after: string | null, projectId = log.projectId) => {
      const reading = new Reading(feed, { projectId, after });
      onTestFinished(() => reading.end());
      return reading;
    };
    const writeToAnother = async (label: string) => {
      const other = await createProjectLog(store.db, bus, crypto.randomUUID());
      await other.write(label);
      return other.projectId;
    };
    return { feed, read, writeToAnother, ...log };
  }

  /** Makes the store another one, as restoring it does. */
  const restore = async () => {
    await store.db.storeIdentity.deleteMany();
    await store.db.storeIdentity.create({ data: {} });
  };

  test('goes on over another connection where one is silent, and its heartbeats say since when it knows nothing', async () => {
    const { db, way } = await cuttableDatabase(store.url, { poolSize: 1, silenceMs: 500 });
    const { feed, read, write } = await setUp(db);
    const reading = read(feed.encode(0n));
    await write('before');
    expect(await reading.labels(1)).toEqual(['before']);
    way.freeze();
    const frozenAt = new Date();
    await write('meanwhile');
    const heard = await reading.next();
    expect(heard).toMatchObject({ kind: 'heartbeat', cursor: feed.encode(1n) });
    expect((heard as { at: Date }).at.getTime()).toBeLessThanOrEqual(frozenAt.getTime());
    expect(await reading.labels(1)).toEqual(['meanwhile']);
    await expect.poll(async () => ((await reading.next()) as { at: Date }).at > frozenAt).toBe(true);
  });

  test('knows the store’s history also while nobody subscribes', async () => {
    const { feed, read } = await setUp(store.db);
    const old = feed.encode(0n);
    await restore();
    await expect.poll(() => feed.decode(old)).toEqual({ ok: false, reason: 'FOREIGN_EPOCH' });
    expect(await read(old).next()).toMatchObject({ kind: 'gap', reason: 'FOREIGN_EPOCH' });
  });

  test('tells those who came while it found out that the store has another history', async () => {
    const { db, hold } = withHeldAnswers(store.db);
    const { feed, read, write, writeToAnother } = await setUp(db);
    await write('one');
    const early = read(feed.encode(0n));
    expect(await early.labels(1)).toEqual(['one']);
    const other = await writeToAnother('two');
    await restore();
    const held = hold();
    await held.arrived;
    const late = read(feed.encode(0n), other);
    expect(await late.labels(1)).toEqual(['two']);
    held.release();
    for (const reading of [early, late]) expect(await gapOf(reading)).toBe('FOREIGN_EPOCH');
  });

  test('takes no cursor of the old history for one of the new that was given before the store was another', async () => {
    const { feed, read, write } = await setUp(store.db);
    const old = feed.encode(0n);
    const reading = read(old);
    await write('of the new history');
    await restore();
    await expect.poll(() => feed.decode(old).ok).toBe(false);
    expect(await reading.next()).toMatchObject({ kind: 'gap', reason: 'FOREIGN_EPOCH' });
  });
});

/** From `hold` on what the store answers to statements of our own arrives, but is not handed over before `release`. */
function withHeldAnswers(db: Database) {
  let holding: { arrived: () => void; released: Promise<void> } | null = null;
  const $queryRaw = async (...question: Parameters<Database['$queryRaw']>) => {
    const held = holding;
    const answer = await db.$queryRaw(...question);
    held?.arrived();
    await held?.released;
    return answer;
  };
  return {
    db: Object.create(db, { $queryRaw: { value: $queryRaw } }) as Database,
    hold() {
      const arrived = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      holding = { arrived: arrived.resolve, released: released.promise };
      return { arrived: arrived.promise, release: released.resolve };
    },
  };
}

/** The reason of the gap that comes before anything but heartbeats. */
async function gapOf(reading: Reading): Promise<string> {
  for (let heard = 0; heard < 50; heard += 1) {
    const message = await reading.next();
    if (message?.kind === 'gap') return message.reason;
    expect(message).toMatchObject({ kind: 'heartbeat' });
  }
  return expect.fail('nothing but heartbeats');
}
