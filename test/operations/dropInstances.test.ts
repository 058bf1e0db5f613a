import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { isDeparting } from '#domain/instanceStatus.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import { accept } from '#operations/accept.ts';
import { addInstances } from '#operations/addInstances.ts';
import { cancelOperation } from '#operations/cancelOperation.ts';
import { dropInstances } from '#operations/dropInstances.ts';
import { retryOperation } from '#operations/retryOperation.ts';
import { runOperation } from '#operations/runOperation.ts';
import { settleCluster } from '#operations/settleCluster.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import {
  activeCluster,
  clusterOf,
  eventsOf,
  losePrimary,
  never,
  once,
  operationOf,
  type TestCluster,
} from './clusterWorld.ts';

let grove: TestOperations;
beforeAll(async () => {
  grove = await createTestOperations({ working: false });
});
afterAll(() => grove.close());

/** Ids by name, of instances that are there. */
async function idsOf({ clusterId }: TestCluster, ...names: string[]): Promise<string[]> {
  const { instances } = await clusterOf(grove, clusterId);
  return names.map((name) => instances.find((instance) => instance.name === name)?.id ?? '');
}

const drop = ({ actor, clusterId }: TestCluster, instanceIds: readonly string[]) =>
  accept(grove.deps, actor, dropInstances, { clusterId, instanceIds }, once);

async function dropped(subject: TestCluster, instanceIds: readonly string[]) {
  const before = grove.machines.calls.length;
  const accepted = await drop(subject, instanceIds);
  await runOperation(grove.deps, accepted.operationId, never);
  return { ...accepted, calls: grove.machines.calls.slice(before) };
}

test('a former primary is refused while nothing takes writes: it may hold the only whole copy', async () => {
  const subject = await activeCluster(grove, 2);
  const [first = '', second = ''] = await idsOf(subject, 'orders-1', 'orders-2');
  await grove.machines.observe(second, { serving: false, stopped: true, role: 'PRIMARY' });
  await grove.machines.observe(first, { serving: false, role: 'PRIMARY' });
  await grove.deps.db.cluster.update({ where: { id: subject.clusterId }, data: { healthLevel: 'DOWN' } });
  await expect(drop(subject, [second])).rejects.toMatchObject({
    code: 'INSTANCE_STATUS',
    message: expect.stringContaining('Go back to it (promoteInstance with FAILOVER and acceptDataLoss)'),
  });
});

describe('an instance of a synchronous cluster that may have acknowledged what no other has', () => {
  test('is not dropped while nothing takes writes, though its data directory is gone', async () => {
    const subject = await activeCluster(grove, 3);
    const [first = '', second = ''] = await idsOf(subject, 'orders-1', 'orders-2');
    await grove.machines.observe(second, { serving: false, role: null });
    await grove.machines.observe(first, { serving: false, role: 'PRIMARY' });
    await settleCluster(grove.deps, subject.clusterId);
    const { db } = grove.deps;
    await db.cluster.update({ where: { id: subject.clusterId }, data: { healthLevel: 'DOWN', synchronous: true } });
    await expect(drop(subject, [second])).rejects.toMatchObject({
      code: 'INSTANCE_STATUS',
      message: expect.stringContaining('promote another with acceptDataLoss first'),
    });
    await db.cluster.update({ where: { id: subject.clusterId }, data: { synchronous: false } });
    await expect(drop(subject, [second])).resolves.toMatchObject({ clusterId: subject.clusterId });
  });

  test('is let go before anything is done to it, and where it cannot be it is not touched', async () => {
    const subject = await activeCluster(grove, 3);
    await grove.deps.db.cluster.update({ where: { id: subject.clusterId }, data: { synchronous: true } });
    const [id = ''] = await idsOf(subject, 'orders-3');
    await grove.machines.observe(id, { serving: false, role: 'REPLICA' });
    await settleCluster(grove.deps, subject.clusterId);
    const tokenOf = async () => (await grove.deps.db.instance.findUniqueOrThrow({ where: { id } })).agentTokenHash;
    const token = await tokenOf();
    grove.machines.interfere(async (made) => {
      if (made === 'release orders-3') throw new StepFailure('WRITES_NOT_COVERED', 'No other replica has them.');
    });
    const { operationId, calls } = await dropped(subject, [id]);
    expect(await operationOf(grove, operationId)).toMatchObject({
      status: 'FAILED',
      error: { code: 'WRITES_NOT_COVERED' },
    });
    expect(calls).toEqual(['release orders-3', 'synchronous true']);
    expect(await tokenOf()).toEqual(token);
    grove.machines.interfere(async () => {});
    await retryOperation(grove.deps, subject.actor, { operationId });
    await runOperation(grove.deps, operationId, never);
    const [released, ...others] = grove.machines.calls.slice(grove.machines.calls.lastIndexOf('release orders-3'));
    expect([released, ...others.slice(0, 4)]).toEqual([
      'release orders-3',
      'stop orders-3',
      'leave orders-3',
      'stop orders-3',
      'destroy orders-3',
    ]);
  });
});

test('a drop that is cancelled while one is let go has commits wait for it again', async () => {
  const subject = await activeCluster(grove, 3);
  await grove.deps.db.cluster.update({ where: { id: subject.clusterId }, data: { synchronous: true } });
  const ids = await idsOf(subject, 'orders-3');
  const { operationId } = await drop(subject, ids);
  const { engine } = grove.machines;
  const { applySynchronous } = engine;
  const waitedFor: string[][] = [];
  engine.applySynchronous = async (context) => {
    await applySynchronous(context);
    waitedFor.push(context.cluster.instances.filter((it) => !isDeparting(it)).map(({ name }) => name));
  };
  onTestFinished(() => {
    engine.applySynchronous = applySynchronous;
    grove.machines.interfere(async () => {});
  });
  grove.machines.interfere(async (made, signal) => {
    if (made !== 'release orders-3') return;
    await cancelOperation(grove.deps, subject.actor, { operationId });
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  });
  await runOperation(grove.deps, operationId, never);
  expect(await operationOf(grove, operationId)).toMatchObject({ status: 'CANCELLED' });
  expect(waitedFor).toEqual([['orders-1', 'orders-2', 'orders-3']]);
  expect(grove.machines.calls.at(-1)).toBe('synchronous true');
});

describe('an instance that may have the only copy of the data', () => {
  beforeAll(() => {
    const { engine } = grove.machines;
    const { health } = engine;
    engine.health = (cluster) => {
      const writes = cluster.instances.some(({ name, observation }) => name === 'orders-1' && observation?.serving);
      return writes ? health(cluster) : { level: 'DOWN', reasons: [] };
    };
    return () => {
      engine.health = health;
    };
  });

  const lastCopy = { code: 'INSTANCE_STATUS', message: expect.stringContaining('the only whole copy') };

  test.each([
    ['synchronous', 'release orders-2', true],
    ['asynchronous', 'leave orders-2', false],
  ])(
    'is dropped neither anew nor by a retry once the primary is gone, in a cluster that is %s',
    async (_what, call, synchronous) => {
      const subject = await activeCluster(grove, 3);
      await grove.deps.db.cluster.update({ where: { id: subject.clusterId }, data: { synchronous } });
      grove.machines.interfere(async (made) => {
        if (made === call) throw new StepFailure('NOT_NOW', 'It cannot leave now.');
      });
      const ids = await idsOf(subject, 'orders-2');
      const { operationId } = await dropped(subject, ids);
      grove.machines.interfere(async () => {});
      expect(await operationOf(grove, operationId)).toMatchObject({ status: 'FAILED', error: { code: 'NOT_NOW' } });
      await losePrimary(grove, subject);
      await expect(drop(subject, ids)).rejects.toMatchObject(lastCopy);
      await expect(retryOperation(grove.deps, subject.actor, { operationId })).rejects.toMatchObject(lastCopy);
      expect(await operationOf(grove, operationId)).toMatchObject({ status: 'FAILED' });

      const [primary = ''] = await idsOf(subject, 'orders-1');
      await grove.machines.observe(primary, { role: 'PRIMARY' });
      await settleCluster(grove.deps, subject.clusterId);
      await retryOperation(grove.deps, subject.actor, { operationId });
      await runOperation(grove.deps, operationId, never);
      expect(await operationOf(grove, operationId)).toMatchObject({ status: 'SUCCEEDED' });
    },
  );

  test('is not touched where the primary is lost after the drop was accepted', async () => {
    const subject = await activeCluster(grove, 2);
    const { operationId } = await drop(subject, await idsOf(subject, 'orders-2'));
    const before = grove.machines.calls.length;
    const [primary = ''] = await idsOf(subject, 'orders-1');
    // Reported, and judged by nobody yet.
    await grove.machines.observe(primary, { serving: false, role: 'PRIMARY' });
    await runOperation(grove.deps, operationId, never);
    expect(await operationOf(grove, operationId)).toMatchObject({
      status: 'FAILED',
      error: { code: 'LAST_COPY', step: 'drain orders-2', message: expect.stringContaining('the only whole copy') },
    });
    expect(grove.machines.calls.slice(before)).toEqual([]);
    const { instances } = await clusterOf(grove, subject.clusterId);
    expect(instances.at(-1)).toMatchObject({ name: 'orders-2', status: 'ACTIVE', agentTokenHash: expect.anything() });
  });

  test('leaves as soon as the primary is back', async () => {
    const subject = await activeCluster(grove, 2);
    const { operationId } = await drop(subject, await idsOf(subject, 'orders-2'));
    const [primary = ''] = await idsOf(subject, 'orders-1');
    await grove.machines.observe(primary, { serving: false, role: 'PRIMARY' });
    const deps = { ...grove.deps, timing: { ...grove.deps.timing, stepRetryMs: 500 } };
    const running = runOperation(deps, operationId, never);
    const drain = async () => (await operationOf(grove, operationId)).steps.find(({ key }) => key.startsWith('drain'));
    await expect.poll(drain).toMatchObject({ failures: 1 });
    await grove.machines.observe(primary, { role: 'PRIMARY' });
    await running;
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'SUCCEEDED' });
  });
});

describe('dropInstances', () => {
  test('takes them out of the group, stops them and releases what they have, at once; their records stay', async () => {
    const subject = await activeCluster(grove, 4);
    const ids = await idsOf(subject, 'orders-2', 'orders-4');
    const { operationId, calls } = await dropped(subject, ids);
    expect(await operationOf(grove, operationId)).toMatchObject({
      status: 'SUCCEEDED',
      result: { instanceIds: ids, verified: true },
    });
    for (const name of ['orders-2', 'orders-4']) {
      expect(calls.filter((call) => call.endsWith(name))).toEqual([`leave ${name}`, `stop ${name}`, `destroy ${name}`]);
    }
    expect(calls.at(-1)).toBe('verify');
    const after = await clusterOf(grove, subject.clusterId);
    expect(after).toMatchObject({ status: 'ACTIVE', instanceCount: 2, version: 2 });
    expect(after.instances.map(({ name }) => name)).toEqual(['orders-1', 'orders-3']);
    const records = await grove.deps.db.instance.findMany({ where: { id: { in: ids } } });
    for (const record of records) {
      expect(record).toMatchObject({
        status: 'REMOVED',
        address: null,
        agentTokenHash: null,
        removedAt: expect.any(Date),
      });
    }
    const statuses = (await eventsOf(grove, subject)).filter(
      ({ instanceId, type }) => instanceId === ids[0] && type === 'INSTANCE_STATUS_CHANGED',
    );
    expect(statuses.map(({ toStatus }) => toStatus).slice(-4)).toEqual(['ACTIVE', 'DRAINING', 'REMOVING', 'REMOVED']);
  });

  test('is no illness of the cluster', async () => {
    const subject = await activeCluster(grove, 2);
    await dropped(subject, await idsOf(subject, 'orders-2'));
    const health = (await eventsOf(grove, subject)).filter(({ type }) => type === 'CLUSTER_HEALTH_CHANGED');
    expect(health.map(({ toStatus }) => toStatus)).toEqual(['HEALTHY']);
  });

  test('stops one that does not answer before anything else, so that it cannot go on serving', async () => {
    const subject = await activeCluster(grove, 2);
    const [id = ''] = await idsOf(subject, 'orders-2');
    await grove.deps.db.instance.update({ where: { id }, data: { observedAt: new Date(0) } });
    const silence = () => ({ now: new Date(), leaseMs: 60_000, listeningSince: new Date(0) });
    const deps = { ...grove.deps, silence };
    await grove.machines.observe((await idsOf(subject, 'orders-1'))[0] ?? '', { role: 'PRIMARY' });
    await settleCluster(deps, subject.clusterId);
    expect((await clusterOf(grove, subject.clusterId)).instances[1]).toMatchObject({ status: 'UNREACHABLE' });
    const before = grove.machines.calls.length;
    const input = { clusterId: subject.clusterId, instanceIds: [id] };
    const { operationId } = await accept(deps, subject.actor, dropInstances, input, once);
    await runOperation(deps, operationId, never);
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'SUCCEEDED' });
    expect(grove.machines.calls.slice(before, before + 2)).toEqual(['stop orders-2', 'leave orders-2']);
    expect(await clusterOf(grove, subject.clusterId)).toMatchObject({ status: 'ACTIVE', instanceCount: 1 });
  });

  test('that fails says which one, counts what is there, and can be retried', async () => {
    const subject = await activeCluster(grove, 3);
    grove.machines.interfere(async (call) => {
      if (call === 'destroy orders-3') throw new StepFailure('STUCK', 'It does not end.');
    });
    const ids = await idsOf(subject, 'orders-2', 'orders-3');
    const { operationId } = await dropped(subject, ids);
    grove.machines.interfere(async () => {});
    expect(await operationOf(grove, operationId)).toMatchObject({
      status: 'FAILED',
      error: { step: 'remove orders-3' },
    });
    const failed = await clusterOf(grove, subject.clusterId);
    expect(failed.instances.at(-1)).toMatchObject({ name: 'orders-3', status: 'ERROR', agentTokenHash: null });
    expect(failed).toMatchObject({ status: 'DEGRADED', instanceCount: failed.instances.length });
    await retryOperation(grove.deps, subject.actor, { operationId });
    await runOperation(grove.deps, operationId, never);
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await clusterOf(grove, subject.clusterId)).toMatchObject({ status: 'ACTIVE', instanceCount: 1 });
  });

  test('goes on where a worker that stopped left it', async () => {
    const subject = await activeCluster(grove, 2);
    const { operationId } = await drop(subject, await idsOf(subject, 'orders-2'));
    for (const interrupted of ['leave orders-2', 'destroy orders-2', 'verify']) {
      const stopping = new AbortController();
      grove.machines.interfere(async (call, signal) => {
        if (call !== interrupted) return;
        stopping.abort();
        // Where it is heard by no signal, as by the provider, it is done and not recorded.
        signal.throwIfAborted();
      });
      await expect(runOperation(grove.deps, operationId, stopping.signal)).rejects.toThrow('The worker is stopping');
    }
    grove.machines.interfere(async () => {});
    await runOperation(grove.deps, operationId, never);
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'SUCCEEDED', attempt: 4 });
    expect(await clusterOf(grove, subject.clusterId)).toMatchObject({ status: 'ACTIVE', instanceCount: 1 });
  });

  test('that is cancelled before it begins has changed nothing', async () => {
    const subject = await activeCluster(grove, 2);
    const { operationId } = await drop(subject, await idsOf(subject, 'orders-2'));
    await cancelOperation(grove.deps, subject.actor, { operationId });
    await runOperation(grove.deps, operationId, never);
    const after = await clusterOf(grove, subject.clusterId);
    expect(after).toMatchObject({ status: 'ACTIVE', instanceCount: 2 });
    expect(after.instances.map(({ status }) => status)).toEqual(['ACTIVE', 'ACTIVE']);
  });

  test('of a dead replica is possible while the primary is gone, and of one that serves is not', async () => {
    const subject = await activeCluster(grove, 3);
    const [primary = '', dead = '', last = ''] = await idsOf(subject, 'orders-1', 'orders-2', 'orders-3');
    const { health } = grove.machines.engine;
    grove.machines.engine.health = (cluster) => {
      const { reasons } = health(cluster);
      return { level: reasons.some(({ instanceId }) => instanceId === primary) ? 'DOWN' : 'DEGRADED', reasons };
    };
    for (const id of [primary, dead]) await grove.machines.observe(id, { serving: false, role: 'REPLICA' });
    await settleCluster(grove.deps, subject.clusterId);
    expect(await clusterOf(grove, subject.clusterId)).toMatchObject({ status: 'DOWN' });
    await expect(drop(subject, [last])).rejects.toMatchObject({ code: 'INSTANCE_STATUS', instanceId: last });
    const { operationId, calls } = await dropped(subject, [dead]);
    grove.machines.engine.health = health;
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'SUCCEEDED', result: { verified: false } });
    expect(calls).not.toContain('verify');
    const after = await clusterOf(grove, subject.clusterId);
    expect(after).toMatchObject({ status: 'DOWN', instanceCount: 2 });
  });

  test('frees the name for another one', async () => {
    const subject = await activeCluster(grove, 2);
    await dropped(subject, await idsOf(subject, 'orders-2'));
    await accept(grove.deps, subject.actor, addInstances, { clusterId: subject.clusterId, count: 1 }, once);
    expect((await clusterOf(grove, subject.clusterId)).instances.map(({ name }) => name)).toEqual([
      'orders-1',
      'orders-2',
    ]);
  });

  test.each([
    ['one twice', ['orders-2', 'orders-2'], { code: 'INVALID_INPUT', fields: [{ path: 'instanceIds' }] }],
    ['none', [], { code: 'INVALID_INPUT', fields: [{ path: 'instanceIds' }] }],
    ['the primary', ['orders-1'], { code: 'PRIMARY_NOT_DROPPABLE' }],
    ['all', ['orders-1', 'orders-2', 'orders-3'], { code: 'PRIMARY_NOT_DROPPABLE' }],
  ])('refuses to drop %s and leaves nothing behind', async (_what, names, error) => {
    const subject = await activeCluster(grove, 3);
    const before = await clusterOf(grove, subject.clusterId);
    await expect(drop(subject, await idsOf(subject, ...names))).rejects.toMatchObject(error);
    expect(await clusterOf(grove, subject.clusterId)).toEqual(before);
  });

  test('refuses those of another cluster and those that are nowhere alike, and the last one', async () => {
    const subject = await activeCluster(grove, 2);
    const other = await activeCluster(grove, 2);
    for (const id of [...(await idsOf(other, 'orders-2')), crypto.randomUUID()]) {
      await expect(drop(subject, [id])).rejects.toMatchObject({
        code: 'NOT_FOUND',
        message: 'The instance is none of cluster "orders".',
      });
    }
    const single = await activeCluster(grove, 1);
    await expect(drop(single, await idsOf(single, 'orders-1'))).rejects.toMatchObject({
      code: 'MINIMUM_INSTANCES',
      minimum: 1,
      remaining: 0,
    });
  });
});
