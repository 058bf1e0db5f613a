import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StepFailure } from '#domain/stepFailure.ts';
import { accept } from '#operations/accept.ts';
import { addInstances } from '#operations/addInstances.ts';
import { cancelOperation } from '#operations/cancelOperation.ts';
import { dropInstances } from '#operations/dropInstances.ts';
import { retryOperation } from '#operations/retryOperation.ts';
import { runOperation } from '#operations/runOperation.ts';
import { settleCluster } from '#operations/settleCluster.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { activeCluster, clusterOf, eventsOf, never, once, operationOf, type TestCluster } from './clusterWorld.ts';

let grove: TestOperations;
beforeAll(async () => {
  grove = await createTestOperations({ working: false });
});
afterAll(() => grove.close());

const add = ({ actor, clusterId }: TestCluster, input: object) =>
  accept(grove.deps, actor, addInstances, { clusterId, ...input }, once);

async function added(subject: TestCluster, input: object) {
  const accepted = await add(subject, input);
  await runOperation(grove.deps, accepted.operationId, never);
  return accepted;
}

describe('addInstances', () => {
  test('has the new instances in the list at once, and in the cluster when it is done', async () => {
    const subject = await activeCluster(grove, 2);
    const { operationId } = await add(subject, { instances: [{ name: 'reports' }, {}] });
    const intended = await clusterOf(grove, subject.clusterId);
    expect(intended).toMatchObject({ status: 'BUSY', version: 2, instanceCount: 4 });
    expect(intended.instances.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'orders-1 ACTIVE',
      'orders-2 ACTIVE',
      'orders-3 PENDING',
      'reports PENDING',
    ]);
    const before = grove.machines.calls.length;
    await runOperation(grove.deps, operationId, never);
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'SUCCEEDED', stepsDone: 6, stepsTotal: 6 });
    const done = await clusterOf(grove, subject.clusterId);
    expect(done).toMatchObject({ status: 'ACTIVE', healthLevel: 'HEALTHY', instanceCount: 4 });
    expect(done.instances.map(({ name, status, role }) => `${name} ${status} ${role}`)).toEqual([
      'orders-1 ACTIVE PRIMARY',
      'orders-2 ACTIVE REPLICA',
      'orders-3 ACTIVE REPLICA',
      'reports ACTIVE REPLICA',
    ]);
    const calls = grove.machines.calls.slice(before);
    expect(calls.slice(0, 2).sort()).toEqual(['provision orders-3', 'provision reports']);
    expect(calls.at(-1)).toBe('verify');
    const result = (await operationOf(grove, operationId)).result as { instanceIds: string[] };
    const ids = done.instances.slice(2).map(({ id }) => id);
    expect(result).toEqual({ instanceIds: expect.arrayContaining(ids), verified: true });
  });

  test('tells the new instances from their first transition on, and never calls the cluster ill for them', async () => {
    const subject = await activeCluster(grove, 1);
    const { operationId } = await added(subject, { count: 1 });
    const [, instance] = (await clusterOf(grove, subject.clusterId)).instances;
    const events = await eventsOf(grove, subject);
    const ofInstance = events.filter(({ instanceId, type }) => instanceId === instance?.id && type.includes('STATUS'));
    expect(ofInstance.map(({ fromStatus, toStatus }) => `${fromStatus ?? ''}→${toStatus}`)).toEqual([
      '→PENDING',
      'PENDING→PROVISIONING',
      'PROVISIONING→SYNCING',
      'SYNCING→ACTIVE',
    ]);
    expect(ofInstance.every((event) => event.operationId === operationId)).toBe(true);
    expect(events.filter(({ type }) => type === 'CLUSTER_HEALTH_CHANGED').map(({ toStatus }) => toStatus)).toEqual([
      'HEALTHY',
    ]);
  });

  test('that fails leaves the cluster free and the new instances in ERROR, and a retry goes on from there', async () => {
    const subject = await activeCluster(grove, 1);
    grove.machines.interfere(async (call) => {
      if (call === 'join orders-3') throw new StepFailure('DISK_FULL', 'The disk of orders-3 is full.');
    });
    const { operationId } = await added(subject, { count: 2 });
    grove.machines.interfere(async () => {});
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'FAILED', error: { code: 'DISK_FULL' } });
    const failed = await clusterOf(grove, subject.clusterId);
    expect(failed).toMatchObject({ status: 'DEGRADED', instanceCount: 3 });
    const half = failed.instances.find(({ name }) => name === 'orders-3');
    expect(half).toMatchObject({
      status: 'ERROR',
      statusReason: 'ADD_INSTANCES failed: The disk of orders-3 is full.',
    });
    const before = grove.machines.calls.length;
    await retryOperation(grove.deps, subject.actor, { operationId });
    expect((await clusterOf(grove, subject.clusterId)).instances.at(-1)).toMatchObject({ status: 'PENDING' });
    await runOperation(grove.deps, operationId, never);
    expect(grove.machines.calls.slice(before)).not.toContain('provision orders-3');
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await clusterOf(grove, subject.clusterId)).toMatchObject({ status: 'ACTIVE', instanceCount: 3 });
  });

  test('that was cancelled leaves what can be dropped', async () => {
    const subject = await activeCluster(grove, 1);
    grove.machines.interfere(async (call) => {
      if (call === 'provision orders-2') await cancelOperation(grove.deps, subject.actor, { operationId });
    });
    const { operationId } = await add(subject, { count: 1 });
    await runOperation(grove.deps, operationId, never);
    grove.machines.interfere(async () => {});
    const cancelled = await clusterOf(grove, subject.clusterId);
    expect(cancelled).toMatchObject({ status: 'DEGRADED', instanceCount: 2 });
    expect(cancelled.instances[1]).toMatchObject({ status: 'ERROR', statusReason: 'ADD_INSTANCES was cancelled' });
    const drop = await accept(
      grove.deps,
      subject.actor,
      dropInstances,
      { clusterId: subject.clusterId, instanceIds: [cancelled.instances[1]?.id] },
      once,
    );
    await runOperation(grove.deps, drop.operationId, never);
    expect(await clusterOf(grove, subject.clusterId)).toMatchObject({ status: 'ACTIVE', instanceCount: 1 });
  });

  test('goes on where a worker that stopped left it, with the same instances', async () => {
    const subject = await activeCluster(grove, 1);
    const { operationId } = await add(subject, { count: 2 });
    const stopping = new AbortController();
    grove.machines.interfere(async (call, signal) => {
      if (call !== 'join orders-3') return;
      stopping.abort();
      signal.throwIfAborted();
    });
    await expect(runOperation(grove.deps, operationId, stopping.signal)).rejects.toThrow('The worker is stopping');
    grove.machines.interfere(async () => {});
    const before = grove.machines.calls.length;
    await runOperation(grove.deps, operationId, never);
    expect(grove.machines.calls.slice(before)).toContain('join orders-3');
    expect(grove.machines.calls.slice(before)).not.toContain('provision orders-3');
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'SUCCEEDED', attempt: 2 });
    expect(await clusterOf(grove, subject.clusterId)).toMatchObject({ status: 'ACTIVE', instanceCount: 3 });
  });

  test('does not wait for an instance that was ill before', async () => {
    const subject = await activeCluster(grove, 2);
    const [, replica] = (await clusterOf(grove, subject.clusterId)).instances;
    await grove.machines.observe(replica?.id ?? '', { serving: false, role: 'REPLICA' });
    await settleCluster(grove.deps, subject.clusterId);
    const { operationId } = await added(subject, { count: 1 });
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'SUCCEEDED', result: { verified: true } });
    expect(await clusterOf(grove, subject.clusterId)).toMatchObject({ status: 'DEGRADED', instanceCount: 3 });
  });

  test.each([
    ['more than the engine allows', { count: 16 }, { code: 'TOPOLOGY', rule: 'INSTANCE_COUNT', maximum: 16 }],
    [
      'another size',
      { instances: [{ size: { cpuMillis: 2000, memoryMiB: 512, storageGiB: 10 } }] },
      { code: 'TOPOLOGY', rule: 'EQUAL_SIZES' },
    ],
    ['a name that is taken', { instances: [{ name: 'orders-1' }] }, { code: 'NAME_TAKEN', takenName: 'orders-1' }],
    [
      'one name twice',
      { instances: [{ name: 'a' }, { name: 'a' }] },
      { code: 'INVALID_INPUT', fields: [{ path: 'instances' }] },
    ],
    [
      'neither count nor instances',
      {},
      { code: 'INVALID_INPUT', fields: [{ path: 'count', message: 'must be given, or instances instead of it' }] },
    ],
    [
      'both',
      { count: 1, instances: [{}] },
      {
        code: 'INVALID_INPUT',
        fields: [
          {
            path: 'count',
            message: 'must not be given together with instances: one of the two says how many there are to be',
          },
        ],
      },
    ],
    ['none', { count: 0 }, { code: 'INVALID_INPUT', fields: [{ path: 'count' }] }],
    ['an empty list', { instances: [] }, { code: 'INVALID_INPUT', fields: [{ path: 'instances' }] }],
    ['a bad name', { instances: [{ name: 'A' }] }, { code: 'INVALID_INPUT', fields: [{ path: 'instances.0.name' }] }],
  ])('refuses %s and leaves nothing behind', async (_what, input, error) => {
    const subject = await activeCluster(grove, 1);
    const before = await clusterOf(grove, subject.clusterId);
    await expect(add(subject, input)).rejects.toMatchObject(error);
    expect(await clusterOf(grove, subject.clusterId)).toEqual(before);
  });
});
