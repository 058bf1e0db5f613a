import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { instancePresence } from '#monitors/instancePresence.ts';
import { lateOperations } from '#monitors/lateOperations.ts';
import { holdLease, releaseLease } from '#monitors/lease.ts';
import { silentInstances } from '#monitors/silentInstances.ts';
import { accept } from '#operations/accept.ts';
import { createCluster } from '#operations/createCluster.ts';
import { deleteCluster } from '#operations/deleteCluster.ts';
import { runOperation } from '#operations/runOperation.ts';
import { settleCluster } from '#operations/settleCluster.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';

const once = { idempotencyKey: null, expectedVersion: null };
const leaseMs = 10_000;

let grove: TestOperations;
let clusterId: string;
let projectId: string;
/** The clock that the monitors see, in milliseconds from now. */
let later = 0;

beforeEach(async () => {
  later = 0;
  grove = await createTestOperations({ working: false });
  const actor = await grove.createActor();
  projectId = actor.projectId;
  const accepted = await accept(
    grove.deps,
    actor,
    createCluster,
    { name: 'orders', engine: 'fake', instanceCount: 2 },
    once,
  );
  clusterId = accepted.clusterId;
  await runOperation(grove.deps, accepted.operationId, new AbortController().signal);
});
afterEach(() => grove.close());

function deps({ listeningSince = new Date(0) } = {}) {
  const clock = { now: () => new Date(Date.now() + later) };
  return { ...grove.deps, clock, silence: () => ({ now: clock.now(), leaseMs, listeningSince }) };
}

const statuses = async () => {
  const { status, instances } = await grove.deps.db.cluster.findUniqueOrThrow({
    where: { id: clusterId },
    include: { instances: { orderBy: { name: 'asc' } } },
  });
  return [status, ...instances.map((instance) => instance.status)];
};

const instanceIds = async () =>
  (await grove.deps.db.instance.findMany({ where: { clusterId }, orderBy: { name: 'asc' } })).map(({ id }) => id);

describe('an instance whose agent is silent', () => {
  test('becomes UNREACHABLE after its lease, once, and ACTIVE again when it reports', async () => {
    const monitor = silentInstances(deps());
    later = leaseMs / 2;
    await monitor.round();
    expect(await statuses()).toEqual(['ACTIVE', 'ACTIVE', 'ACTIVE']);
    later = leaseMs + 1000;
    const [reporting, silent] = await instanceIds();
    await grove.deps.db.instance.update({ where: { id: reporting ?? '' }, data: { observedAt: deps().clock.now() } });
    await monitor.round();
    await monitor.round();
    expect(await statuses()).toEqual(['DEGRADED', 'ACTIVE', 'UNREACHABLE']);
    const told = await grove.deps.db.event.count({ where: { projectId, toStatus: 'UNREACHABLE' } });
    expect(told).toBe(1);
    await grove.deps.db.instance.update({ where: { id: silent ?? '' }, data: { observedAt: deps().clock.now() } });
    await settleCluster(deps(), clusterId);
    expect(await statuses()).toEqual(['ACTIVE', 'ACTIVE', 'ACTIVE']);
  });

  test('is no longer HEALTHY as soon as the connection of the primary’s agent is lost', async () => {
    const [primary] = await instanceIds();
    const where = { id: primary ?? '' };
    await grove.deps.db.instance.update({ where, data: { agentLostAt: new Date() } });
    const { engine } = grove.machines;
    const health: typeof engine.health = (cluster) =>
      cluster.instances.some(({ agentLostAt }) => agentLostAt !== null)
        ? { level: 'DEGRADED', reasons: [] }
        : engine.health(cluster);
    await silentInstances({ ...deps(), engines: { fake: { ...engine, health } } }).round();
    expect(await statuses()).toEqual(['DEGRADED', 'ACTIVE', 'ACTIVE']);
  });

  test('is not held to its silence while this control plane could not have heard it', async () => {
    later = 10 * leaseMs;
    const monitor = silentInstances(deps({ listeningSince: new Date(Date.now() + later - leaseMs / 2) }));
    await monitor.round();
    expect(await statuses()).toEqual(['ACTIVE', 'ACTIVE', 'ACTIVE']);
  });
});

describe('an agent that does not run', () => {
  const stopped = () => {
    const inspect = async () => 'stopped' as const;
    return { ...deps(), providers: { fake: { ...grove.machines.provider, inspect } } };
  };

  test('is started, and again only after a pause that grows', async () => {
    const monitor = instancePresence(stopped());
    const starts = () => grove.machines.calls.filter((call) => call === 'start orders-1').length;
    later = 5000;
    await monitor.round();
    await monitor.round();
    expect(starts()).toBe(1);
    later += 1100;
    await monitor.round();
    expect(starts()).toBe(2);
    later += 1100;
    await monitor.round();
    expect(starts()).toBe(2);
  });

  test('is left alone while it reports, while the provider sees it run, and while it is removed', async () => {
    await instancePresence(stopped()).round();
    later = 5000;
    await instancePresence(deps()).round();
    await accept(grove.deps, await actor(), deleteCluster, { clusterId }, once);
    await instancePresence(stopped()).round();
    expect(grove.machines.calls.filter((call) => call.startsWith('start '))).toEqual([]);
  });
});

describe('an operation without a job', () => {
  test('gets one, and only then', async () => {
    const { operationId } = await accept(grove.deps, await actor(), deleteCluster, { clusterId }, once);
    const monitor = lateOperations(deps());
    later = 20_000;
    await monitor.round();
    const jobs = () =>
      grove.deps.db
        .$queryRaw`SELECT state::text FROM pgboss.job WHERE name = 'operation' AND data->>'operationId' = ${operationId}`;
    expect(await jobs()).toHaveLength(1);
    await grove.deps.db.$executeRaw`DELETE FROM pgboss.job WHERE name = 'operation'`;
    await monitor.round();
    expect(await jobs()).toEqual([{ state: 'created' }]);
  });
});

describe('a lease', () => {
  test('is one holder’s until it ends, is given up, or is taken over by the only process there is', async () => {
    const { db } = grove.deps;
    const lease = (holder: string) => ({ name: 'test', holder, ttlMs: 60_000 });
    expect(await holdLease(db, lease('a'))).toBe(true);
    expect(await holdLease(db, lease('b'))).toBe(false);
    expect(await holdLease(db, lease('a'))).toBe(true);
    await releaseLease(db, lease('a'));
    expect(await holdLease(db, lease('b'))).toBe(true);
    expect(await holdLease(db, lease('c'), { takeOver: true })).toBe(true);
    expect(await holdLease(db, lease('b'))).toBe(false);
  });
});

async function actor() {
  return { kind: 'API_KEY' as const, projectId, keyId: crypto.randomUUID(), name: 'test', role: 'ADMIN' as const };
}
