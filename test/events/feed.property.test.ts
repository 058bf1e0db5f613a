import fc from 'fast-check';
import { pino } from 'pino';
import { beforeAll, describe, expect, test } from 'vitest';
import { createFeed, type Feed } from '#events/feed.ts';
import { createInProcessBus } from '#events/inProcessBus.ts';
import { systemClock } from '#lib/time/clock.ts';
import { assertWithin } from '../support/assertWithin.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { createProjectLog, Reading } from '../support/projectLog.ts';

/** What a subscriber does: on which node it is, how many messages it takes before it leaves, and whether it dawdles meanwhile. */
type Session = { node: number; messages: number; dawdles: boolean };
/** Transactions of one writer: how many events each. */
type Writer = number[];

const session = fc.record({ node: fc.nat(1), messages: fc.integer({ min: 1, max: 4 }), dawdles: fc.boolean() });
const plan = fc.record({
  before: fc.integer({ min: 0, max: 8 }),
  writers: fc.array(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 5, maxLength: 15 }), {
    minLength: 1,
    maxLength: 4,
  }),
  subscribers: fc.array(fc.array(session, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 5 }),
});

describe('every subscriber', () => {
  let store: TestDatabase;
  let names = 0;
  beforeAll(async () => {
    store = await createTestDatabase();
    return () => store.close();
  });

  type Log = Awaited<ReturnType<typeof createProjectLog>>;

  /** Leaves and comes back as told, then stays until it has everything up to the end. */
  async function subscribe(
    nodes: Feed[],
    log: Log,
    sessions: Session[],
    written: Promise<unknown>,
  ): Promise<{ start: bigint; seen: bigint[] }> {
    const [first] = sessions;
    let cursor = await (nodes[first?.node ?? 0] as Feed).cursorNow(log.projectId);
    const decoded = (nodes[0] as Feed).decode(cursor);
    const start = decoded.ok ? decoded.seq : expect.fail(decoded.reason);
    const seen: bigint[] = [];
    const take = async (reading: Reading): Promise<boolean> => {
      const message = await reading.next();
      if (message?.kind === 'gap') expect.fail(`a gap: ${message.reason}`);
      if (message?.kind === 'batch') seen.push(...message.events.map(({ seq }) => seq));
      cursor = reading.cursor ?? cursor;
      return message !== null;
    };
    const sit = async (
      { node }: Session,
      enough: (taken: number) => Promise<boolean>,
      dawdle?: () => Promise<unknown>,
    ) => {
      const reading = new Reading(nodes[node] as Feed, { projectId: log.projectId, after: cursor });
      for (let taken = 0; !(await enough(taken)); taken += 1) {
        if (!(await take(reading))) break;
        await dawdle?.();
      }
      await reading.end();
    };
    for (const one of sessions) {
      await sit(
        one,
        async (taken) => taken >= one.messages,
        one.dawdles ? () => store.db.$queryRaw`SELECT pg_sleep(0.02)::text` : undefined,
      );
    }
    await written;
    const end = await (nodes[0] as Feed).cursorNow(log.projectId);
    while (cursor !== end)
      await sit({ node: seen.length % 2, messages: 0, dawdles: false }, async () => cursor === end);
    return { start, seen };
  }

  async function write(log: Log, transactions: Writer): Promise<void> {
    for (const events of transactions) await log.write(...Array.from({ length: events }, () => 'event'));
  }

  test('gets each event once and in commit order, however it leaves and comes back, whoever writes meanwhile', async () => {
    const bus = createInProcessBus();
    const options = { heartbeatMs: 25, lookMs: 20, ringSize: 5, maxWaitingEvents: 3 };
    const node = () =>
      createFeed({ db: store.db, bus, clock: systemClock, logger: pino({ level: 'silent' }), options });
    const nodes = await Promise.all([node(), node()]);
    await assertWithin(
      fc.asyncProperty(plan, async ({ before, writers, subscribers }) => {
        names += 1;
        const log = await createProjectLog(store.db, bus, `project ${names}`);
        await write(
          log,
          Array.from({ length: before }, () => 1),
        );
        const written = Promise.all(writers.map((transactions) => write(log, transactions)));
        const lists = await Promise.all(subscribers.map((sessions) => subscribe(nodes, log, sessions, written)));
        const total = BigInt((await log.labels()).length);
        for (const { start, seen } of lists) {
          expect(seen).toEqual(Array.from({ length: Number(total - start) }, (_, index) => start + 1n + BigInt(index)));
        }
      }),
      { runs: 25, leastRuns: 10, withinMs: 40_000 },
    );
    await Promise.all(nodes.map((feed) => feed.close()));
  }, 60_000);
});
