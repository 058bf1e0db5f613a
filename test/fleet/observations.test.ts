import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Observation } from '#domain/observation.ts';
import { createObservationIntake, type ObservationIntake } from '#fleet/observations.ts';
import { createWorld, servingObservation, type World } from './fleetWorld.ts';

let world: World;
let intake: ObservationIntake;
let changes: number;
let failures: number;
let statements: string[];

beforeEach(async () => {
  world = await createWorld();
  changes = 0;
  failures = 0;
  statements = [];
  world.db.$on('query' as never, ({ query }: { query: string }) => void statements.push(query));
  intake = createObservationIntake({
    ...world.deps,
    async onInstanceChanged() {
      changes++;
      if (failures-- > 0) throw new Error('The store is away');
    },
  });
});

afterEach(async () => {
  await intake.close();
  await world.close();
});

/** Reports and waits until it is written. */
async function report(instance: { id: string }, observation: Partial<Observation> = {}): Promise<void> {
  const { promise: written, resolve } = Promise.withResolvers<void>();
  const unsubscribe = world.bus.subscribe(`instance:${instance.id}`, resolve);
  intake.report({ instanceId: instance.id, clusterId: world.cluster.id }, { ...servingObservation, ...observation });
  await written;
  unsubscribe();
  // The notice of a change begins in the same turn as the wake-up.
  await Promise.resolve();
}

describe('writing', () => {
  test('all instances take one statement', async () => {
    await report(world.first);
    statements.length = 0;
    await Promise.all([report(world.first), report(world.second), report(world.third)]);
    expect(statements.filter((statement) => statement.includes('UPDATE'))).toHaveLength(1);
  });

  test('the newest report counts', async () => {
    await Promise.all([report(world.first, { connections: 1 }), report(world.first, { connections: 2 })]);
    const { observation } = await world.db.instance.findUniqueOrThrow({ where: { id: world.first.id } });
    expect(observation).toMatchObject({ connections: 2 });
  });

  test('where a server was stays known when its agent began anew and has not seen it answer', async () => {
    const at = async () => {
      const { observation } = await world.db.instance.findUniqueOrThrow({ where: { id: world.first.id } });
      return observation as Pick<Observation, 'serving' | 'lastPosition'>;
    };
    await report(world.first, { lastPosition: { timeline: 2, lsn: '0/3000' } });
    await report(world.first, { serving: false, lastPosition: null });
    await report(world.first, { serving: false, lastPosition: null });
    expect(await at()).toMatchObject({ serving: false, lastPosition: { timeline: 2, lsn: '0/3000' } });
    await report(world.first, { lastPosition: { timeline: 2, lsn: '0/4000' } });
    expect(await at()).toMatchObject({ serving: true, lastPosition: { timeline: 2, lsn: '0/4000' } });
    expect((await world.db.instance.findUniqueOrThrow({ where: { id: world.second.id } })).observation).toBeNull();
    await report(world.second, { serving: false, lastPosition: null });
    const second = await world.db.instance.findUniqueOrThrow({ where: { id: world.second.id } });
    expect(second.observation).toMatchObject({ lastPosition: null });
  });

  test('a report that is older than the stored one changes nothing', async () => {
    const ahead = new Date(Date.now() + 60_000);
    const other = createObservationIntake({
      ...world.deps,
      clock: { now: () => ahead },
      onInstanceChanged: async () => {},
    });
    const agent = { instanceId: world.first.id, clusterId: world.cluster.id };
    other.report(agent, { ...servingObservation, connections: 2 });
    await other.close();
    intake.report(agent, { ...servingObservation, connections: 1 });
    await report(world.second);
    const { observation, observedAt } = await world.db.instance.findUniqueOrThrow({ where: { id: world.first.id } });
    expect(observation).toMatchObject({ connections: 2 });
    expect(observedAt).toEqual(ahead);
  });

  test('a row that a transaction holds delays its own report only', async () => {
    await world.db.$transaction(async (tx) => {
      await tx.$queryRaw`SELECT id FROM instance WHERE id = ${world.first.id}::uuid FOR UPDATE`;
      intake.report({ instanceId: world.first.id, clusterId: world.cluster.id }, servingObservation);
      await report(world.second);
    });
    await expect
      .poll(async () => (await world.db.instance.findUniqueOrThrow({ where: { id: world.first.id } })).serving)
      .toBe(true);
  });

  test('a removed instance is left as it is', async () => {
    await world.db.instance.update({ where: { id: world.first.id }, data: { removedAt: new Date() } });
    intake.report({ instanceId: world.first.id, clusterId: world.cluster.id }, servingObservation);
    await report(world.second);
    const { observedAt } = await world.db.instance.findUniqueOrThrow({ where: { id: world.first.id } });
    expect(observedAt).toBeNull();
  });

  test('closing writes what has come in', async () => {
    intake.report({ instanceId: world.first.id, clusterId: world.cluster.id }, servingObservation);
    await intake.close();
    expect(await world.db.instance.findUnique({ where: { id: world.first.id } })).toMatchObject({ serving: true });
  });

  test('what is wrong is left out with one warning', async () => {
    const warn = vi.spyOn(world.logger, 'warn');
    await report(world.first, { connections: 'many' as never });
    await report(world.first, { connections: 'many' as never });
    intake.report({ instanceId: world.second.id, clusterId: world.cluster.id }, 'nonsense');
    const { observation } = await world.db.instance.findUniqueOrThrow({ where: { id: world.first.id } });
    expect(observation).toEqual({ ...servingObservation, connections: null });
    expect(warn.mock.calls.map(([fields]) => fields)).toEqual([
      { instanceId: world.first.id, field: 'connections' },
      { instanceId: world.second.id, field: 'observation' },
    ]);
  });
});

describe('telling of changes', () => {
  test('the first report is one, figures that move are none', async () => {
    await report(world.first);
    await report(world.first, { connections: 7, at: '2026-01-01T00:00:02.000Z' });
    expect(changes).toBe(1);
  });

  const replication = { upstream: 'a:1', state: 'streaming', lagBytes: 0, lagSeconds: 0, position: '0/1' };
  test.each<[string, Partial<Observation>, Partial<Observation>]>([
    ['serving', {}, { serving: false }],
    ['why it does not serve', { serving: false, reason: 'It ended.' }, { serving: false, reason: 'It cannot start.' }],
    ['the role', {}, { role: 'REPLICA' }],
    ['a stop on purpose', {}, { stopped: true }],
    ['the state of replication', { replication }, { replication: { ...replication, state: null } }],
    ['a follower that is seen no more', { followerStates: ['streaming'] }, { followerStates: [] }],
  ])('%s is one', async (_what, before, after) => {
    await report(world.first, before);
    await report(world.first, after);
    expect(changes).toBe(2);
  });

  test('so is any report of an instance that is stored as UNREACHABLE', async () => {
    await report(world.first);
    await world.db.instance.update({ where: { id: world.first.id }, data: { status: 'UNREACHABLE' } });
    await report(world.first);
    expect(changes).toBe(2);
  });

  test('so is the first report after the agent had gone', async () => {
    await report(world.first);
    intake.forget(world.first.id);
    await report(world.first);
    expect(changes).toBe(2);
  });

  test('one that could not be settled is told again at the next report', async () => {
    failures = 1;
    await report(world.first);
    await report(world.first);
    await report(world.first);
    expect(changes).toBe(2);
  });
});
