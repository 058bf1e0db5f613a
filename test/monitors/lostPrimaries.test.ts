import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { NoPrimaryError } from '#domain/errors.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { lostPrimaries } from '#monitors/lostPrimaries.ts';
import type { MonitorDeps } from '#monitors/monitor.ts';
import { strayInstances } from '#monitors/strayInstances.ts';
import { accept } from '#operations/accept.ts';
import { promoteInstance } from '#operations/promoteInstance.ts';
import { restartCluster } from '#operations/restartCluster.ts';
import { runOperation } from '#operations/runOperation.ts';
import { settleCluster } from '#operations/settleCluster.ts';
import type { InstancePresence } from '#providers/provider.ts';
import {
  activeCluster,
  clusterOf,
  eventsOf,
  never,
  once,
  operationOf,
  type TestCluster,
} from '../operations/clusterWorld.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';

let grove: TestOperations;
let cluster: TestCluster;
/** What both clocks show beyond the real time, in milliseconds. */
let passed = 0;
/** What the clock that can be set shows beyond that. */
let clockSet = 0;
let presence: InstancePresence = 'stopped';

beforeEach(async () => {
  passed = 0;
  clockSet = 0;
  presence = 'stopped';
  grove = await createTestOperations({ working: false });
  cluster = await activeCluster(grove, 3);
});
afterEach(() => grove.close());

const now = () => new Date(Date.now() + passed + clockSet);
const monotonicNow = () => performance.now() + passed;

function deps(): MonitorDeps {
  const provider = { ...grove.machines.provider, inspect: async () => presence };
  return {
    ...grove.deps,
    clock: { now },
    providers: { fake: provider },
    silence: () => ({ now: now(), leaseMs: 10_000, listeningSince: new Date(0) }),
  };
}

const instances = async () => (await clusterOf(grove, cluster.clusterId)).instances;
const promotions = () =>
  grove.deps.db.operation.count({ where: { clusterId: cluster.clusterId, kind: 'PROMOTE_INSTANCE' } });

/** The replicas report, as their agents do when they are asked. */
async function replicasReport(replication: string | null = null): Promise<void> {
  for (const { id } of (await instances()).slice(1)) {
    const upstream = { upstream: null, state: replication, lagBytes: 0, lagSeconds: 0, position: null };
    await grove.machines.observe(id, { role: 'REPLICA', replication: upstream });
    await grove.deps.db.instance.update({ where: { id }, data: { observedAt: now() } });
  }
}

async function agentIsLost(): Promise<void> {
  const [primary] = await instances();
  await grove.deps.db.instance.update({ where: { id: primary?.id ?? '' }, data: { agentLostAt: now() } });
}

/** Rounds half a second apart, each after the replicas' reports. */
async function rounds(
  monitor: { round(): Promise<void> },
  count: number,
  report = () => replicasReport(),
): Promise<void> {
  for (let round = 0; round < count; round += 1) {
    passed += 500;
    await report();
    await monitor.round();
  }
}

describe('a primary that is gone beyond doubt', () => {
  test('is failed over once, by Grove, with what was seen in the log', async () => {
    const monitor = lostPrimaries(deps(), monotonicNow);
    await rounds(monitor, 2);
    await agentIsLost();
    await rounds(monitor, 5);
    expect(await promotions()).toBe(0);
    await rounds(monitor, 6);
    expect(await promotions()).toBe(1);
    const [told] = (await eventsOf(grove, cluster)).filter(({ type }) => type === 'PRIMARY_LOST');
    expect(told).toMatchObject({
      actor: { kind: 'SYSTEM', name: 'automatic failover' },
      payload: {
        cluster: 'orders',
        instance: 'orders-1',
        evidence: {
          suspicion: 'AGENT_LOST',
          detectAfterSeconds: 3,
          primary: { name: 'orders-1', presence: 'stopped', agentLostAt: expect.any(String) },
          replicas: [{ name: 'orders-2' }, { name: 'orders-3' }],
          unheard: [],
          candidates: [
            { name: 'orders-2', lagBytes: 0 },
            { name: 'orders-3', lagBytes: 0 },
          ],
        },
      },
    });
  });

  test('is left to people where its cluster says so', async () => {
    await grove.deps.db.cluster.update({ where: { id: cluster.clusterId }, data: { failoverMode: 'MANUAL' } });
    await agentIsLost();
    await rounds(lostPrimaries(deps(), monotonicNow), 12);
    expect(await promotions()).toBe(0);
  });
});

test('what stands against a failover is told once for as long as it is the same', async () => {
  const told = vi.spyOn(grove.deps.logger, 'info');
  const doubts = () => told.mock.calls.flatMap(([fields]) => (fields as { doubt?: string }).doubt ?? []);
  const monitor = lostPrimaries(deps(), monotonicNow);
  await rounds(monitor, 2);
  await agentIsLost();
  await rounds(monitor, 20, () => replicasReport('streaming'));
  expect(doubts()).toEqual(['orders-2 still streams from it.']);
  presence = 'unknown';
  await rounds(monitor, 4, () => replicasReport('streaming'));
  expect(doubts()).toEqual(['orders-2 still streams from it.', 'Its provider cannot tell whether it runs.']);
  expect(await promotions()).toBe(0);
});

test('a failover that fails is asked for again later and later', async () => {
  const monitor = lostPrimaries(deps(), monotonicNow);
  const fails = async () => {
    await grove.deps.db.operation.updateMany({
      where: { kind: 'PROMOTE_INSTANCE', finishedAt: null },
      data: { status: 'FAILED', finishedAt: now() },
    });
    await settleCluster(grove.deps, cluster.clusterId);
  };
  const askedAt: number[] = [];
  await rounds(monitor, 2);
  await agentIsLost();
  for (let second = 0; second < 120; second += 1) {
    await rounds(monitor, 2);
    if ((await promotions()) === askedAt.length) continue;
    await fails();
    askedAt.push(now().getTime());
  }
  const pauses = askedAt.slice(1).map((at, index) => at - (askedAt[index] ?? 0));
  expect(pauses).toHaveLength(2);
  expect(pauses[0]).toBeGreaterThanOrEqual(30_000);
  expect(pauses[1]).toBeGreaterThanOrEqual(60_000);
});

test('a planned promotion that failed delays no failover', async () => {
  const monitor = lostPrimaries(deps(), monotonicNow);
  const input = { clusterId: cluster.clusterId, mode: 'PLANNED' };
  const { operationId } = await accept(grove.deps, cluster.actor, promoteInstance, input, once);
  await grove.deps.db.operation.update({
    where: { id: operationId },
    data: { status: 'FAILED', finishedAt: now() },
  });
  await settleCluster(grove.deps, cluster.clusterId);
  await rounds(monitor, 2);
  await agentIsLost();
  await rounds(monitor, 12);
  expect(await promotions()).toBe(2);
});

describe('an operation that holds the cluster of a primary that is gone', () => {
  const restarting = async () => {
    const input = { clusterId: cluster.clusterId };
    return (await accept(grove.deps, cluster.actor, restartCluster, input, once)).operationId;
  };
  const isLost = async () => {
    await agentIsLost();
    const [primary] = await instances();
    await grove.machines.observe(primary?.id ?? '', { serving: false, role: 'PRIMARY' });
    await settleCluster(grove.deps, cluster.clusterId);
  };

  test('is cancelled, says why, and the failover follows', async () => {
    const monitor = lostPrimaries(deps(), monotonicNow);
    const operationId = await restarting();
    await rounds(monitor, 2);
    await isLost();
    await rounds(monitor, 5);
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'QUEUED' });
    await rounds(monitor, 8);
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'CANCELLING' });
    expect(await promotions()).toBe(0);
    await runOperation(grove.deps, operationId, never);
    expect(await operationOf(grove, operationId)).toMatchObject({
      status: 'CANCELLED',
      error: { message: expect.stringMatching(/^It was cancelled: orders-1, the primary, was lost/) },
    });
    const cancelled = (await eventsOf(grove, cluster)).find(({ toStatus }) => toStatus === 'CANCELLING');
    expect(cancelled?.actor).toMatchObject({ kind: 'SYSTEM', name: 'automatic failover' });
    await rounds(monitor, 12);
    expect(await promotions()).toBe(1);
  });

  test('goes on where no replica could be promoted: it may be what mends the cluster', async () => {
    const operationId = await restarting();
    await isLost();
    const { engine } = grove.machines;
    const promotion = assertPresent(engine.promotion, 'promotion');
    const refusing = { ...promotion, blockers: () => [new NoPrimaryError('orders')] };
    const monitor = lostPrimaries({ ...deps(), engines: { fake: { ...engine, promotion: refusing } } }, monotonicNow);
    await rounds(monitor, 20);
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'QUEUED' });
  });

  test('goes on where it is a promotion itself', async () => {
    const monitor = lostPrimaries(deps(), monotonicNow);
    await isLost();
    await rounds(monitor, 12);
    expect(await promotions()).toBe(1);
    await rounds(monitor, 20);
    const states = await grove.deps.db.operation.findMany({ where: { kind: 'PROMOTE_INSTANCE' } });
    expect(states.map(({ status }) => status)).toEqual(['QUEUED']);
  });
});

describe('there is no failover', () => {
  test('of a primary that is back in time', async () => {
    const monitor = lostPrimaries(deps(), monotonicNow);
    for (let time = 0; time < 3; time += 1) {
      await agentIsLost();
      await rounds(monitor, 5);
      await grove.deps.db.instance.updateMany({ where: { clusterId: cluster.clusterId }, data: { agentLostAt: null } });
      await rounds(monitor, 1);
    }
    expect(await promotions()).toBe(0);
  });

  test.each([
    ['its provider does not know', 'unknown' as const, null],
    ['its agent runs', 'running' as const, null],
    ['its replicas still stream', 'stopped' as const, 'streaming'],
  ])('while %s', async (_what, said, replication) => {
    presence = said;
    await agentIsLost();
    // Shorter than the agent's lease: then its silence would be a reason of its own.
    await rounds(lostPrimaries(deps(), monotonicNow), 12, () => replicasReport(replication));
    expect(await promotions()).toBe(0);
  });

  test('when every agent is silent at once: this control plane may be what is cut off', async () => {
    const monitor = lostPrimaries(deps(), monotonicNow);
    await rounds(monitor, 2);
    await agentIsLost();
    await rounds(monitor, 60, async () => {});
    expect(await promotions()).toBe(0);
  });

  test('after the process was frozen: the watch begins anew', async () => {
    const monitor = lostPrimaries(deps(), monotonicNow);
    await agentIsLost();
    for (let freeze = 0; freeze < 10; freeze += 1) {
      await rounds(monitor, 5);
      passed += 60_000;
    }
    expect(await promotions()).toBe(0);
  });

  test('when the clock is set: an hour passes for it and no time by the other one', async () => {
    const monitor = lostPrimaries(deps(), monotonicNow);
    await rounds(monitor, 2);
    for (let jump = 0; jump < 6; jump += 1) {
      clockSet += 3_600_000;
      await rounds(monitor, 4);
      // By then every agent has reported by the new clock.
      await grove.deps.db.instance.updateMany({ where: { clusterId: cluster.clusterId }, data: { observedAt: now() } });
    }
    expect(await promotions()).toBe(0);
  });
});

describe('a stray instance', () => {
  test('is brought back by Grove once it has stood still, and again only after a pause', async () => {
    const monitor = strayInstances(deps(), monotonicNow);
    const rejoins = () =>
      grove.deps.db.operation.count({ where: { clusterId: cluster.clusterId, kind: 'REJOIN_INSTANCE' } });
    const [, stray] = await instances();
    await grove.machines.observe(stray?.id ?? '', { serving: false, role: 'PRIMARY' });
    await settleCluster(grove.deps, cluster.clusterId);
    await monitor.round();
    expect(await rejoins()).toBe(0);
    passed += 3100;
    await monitor.round();
    expect(await rejoins()).toBe(1);
    await grove.deps.db.operation.updateMany({
      where: { kind: 'REJOIN_INSTANCE' },
      data: { status: 'FAILED', finishedAt: new Date() },
    });
    await settleCluster(grove.deps, cluster.clusterId);
    passed += 10_000;
    await monitor.round();
    expect(await rejoins()).toBe(1);
    passed += 25_000;
    await monitor.round();
    expect(await rejoins()).toBe(2);
  });
});
