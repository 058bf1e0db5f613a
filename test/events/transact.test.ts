import { beforeAll, describe, expect, test } from 'vitest';
import type { Actor } from '#domain/actor.ts';
import { createInProcessBus } from '#events/inProcessBus.ts';
import { transact } from '#events/transact.ts';
import { systemClock } from '#lib/time/clock.ts';
import type { Transaction } from '#store/database.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { createProjectLog } from '../support/projectLog.ts';

describe('transact', () => {
  let store: TestDatabase;
  const bus = createInProcessBus();
  beforeAll(async () => {
    store = await createTestDatabase({ poolSize: 12 });
    return () => store.close();
  });

  test('numbers what eight concurrent writers commit densely, in commit order, as a concurrent reader sees it', async () => {
    const { projectId, write } = await createProjectLog(store.db, bus, 'writers');
    let writing = true;
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let turn = 0; turn < 25; turn += 1)
        await write(...Array.from({ length: 1 + (turn % 3) }, () => `${writer}`));
    });
    const finished = Promise.all(writers).finally(() => {
      writing = false;
    });
    const seen: bigint[] = [];
    for (let last = false; !last; ) {
      last = !writing;
      const page = await store.db.event.findMany({
        where: { projectId, seq: { gt: seen.at(-1) ?? 0n } },
        orderBy: { seq: 'asc' },
      });
      seen.push(...page.map(({ seq }) => seq));
    }
    await finished;
    expect(seen).toEqual(
      Array.from({ length: await store.db.event.count({ where: { projectId } }) }, (_, index) => BigInt(index + 1)),
    );
    expect(seen.length).toBeGreaterThan(8 * 25);
  });

  test('writes nothing and wakes nobody when the change fails', async () => {
    const { projectId, actor, labels } = await createProjectLog(store.db, bus, 'failing');
    let woken = 0;
    const leave = bus.subscribe(`events:${projectId}`, () => {
      woken += 1;
    });
    const failing = transact({ db: store.db, bus, clock: systemClock }, actor, async ({ tx, record, afterCommit }) => {
      record({ type: 'CLUSTER_UPDATED' });
      afterCommit(() => {
        woken += 1;
      });
      await tx.project.update({ where: { id: projectId }, data: { name: 'renamed' } });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    leave();
    expect(await labels()).toEqual([]);
    expect(await store.db.project.findUnique({ where: { id: projectId } })).toMatchObject({
      name: 'failing',
      eventSeq: 0n,
    });
    expect(woken).toBe(0);
  });

  test('wakes after the commit, so that whoever looks sees the events', async () => {
    const { projectId, write, labels } = await createProjectLog(store.db, bus, 'waking');
    const seen = new Promise<(string | null)[]>((resolve) => {
      bus.subscribe(`events:${projectId}`, () => resolve(labels()));
    });
    await write('one', 'two');
    expect(await seen).toEqual(['one', 'two']);
  });

  test('refuses events for a project that is not there, instead of losing them', async () => {
    const actor: Actor = { kind: 'SYSTEM', projectId: '00000000-0000-7000-8000-000000000000', name: 'test' };
    const change = transact({ db: store.db, bus, clock: systemClock }, actor, async ({ record }) =>
      record({ type: 'CLUSTER_UPDATED' }),
    );
    await expect(change).rejects.toThrow();
  });

  test('stores the whole event', async () => {
    const { projectId, actor } = await createProjectLog(store.db, bus, 'whole');
    const at = new Date('2026-01-02T03:04:05.678Z');
    const clusterId = '01900000-0000-7000-8000-000000000001';
    await transact({ db: store.db, bus, clock: { now: () => at } }, actor, async ({ record }) => {
      record({
        type: 'CLUSTER_STATUS_CHANGED',
        clusterId,
        fromStatus: 'BUILDING',
        toStatus: 'ACTIVE',
        payload: { quote: `'"\\ é` },
      });
    });
    expect(await store.db.event.findMany({ where: { projectId } })).toEqual([
      {
        projectId,
        seq: 1n,
        type: 'CLUSTER_STATUS_CHANGED',
        clusterId,
        instanceId: null,
        operationId: null,
        fromStatus: 'BUILDING',
        toStatus: 'ACTIVE',
        payload: { quote: `'"\\ é` },
        actor,
        at,
      },
    ]);
  });

  test.each(['models', 'raw statements'])('does a change again that lost to another in a deadlock (%s)', async (by) => {
    const projects = await Promise.all(
      ['left', 'right'].map((name) => store.db.project.create({ data: { name: `${by} ${name}` } })),
    );
    const [left, right] = projects.map(({ id }) => id) as [string, string];
    const touch = (tx: Transaction, id: string) =>
      by === 'models'
        ? tx.project.update({ where: { id }, data: { createdAt: new Date() } })
        : tx.$queryRaw`SELECT 1 FROM project WHERE id = ${id}::uuid FOR UPDATE`;
    const bothHoldOne = barrier(2);
    let runs = 0;
    const crossing = (first: string, second: string) =>
      transact({ db: store.db, bus, clock: systemClock }, systemActor(first), async ({ tx }) => {
        runs += 1;
        await touch(tx, first);
        await bothHoldOne();
        await touch(tx, second);
      });
    await Promise.all([crossing(left, right), crossing(right, left)]);
    expect(runs).toBe(3);
  });
});

const systemActor = (projectId: string): Actor => ({ kind: 'SYSTEM', projectId, name: 'test' });

/** Lets everybody through once so many have come; whoever comes later does not wait. */
function barrier(count: number): () => Promise<void> {
  let come = 0;
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return () => {
    come += 1;
    if (come >= count) open();
    return opened;
  };
}
