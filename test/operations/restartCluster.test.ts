import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StepFailure } from '#domain/stepFailure.ts';
import { accept } from '#operations/accept.ts';
import { restartCluster } from '#operations/restartCluster.ts';
import { retryOperation } from '#operations/retryOperation.ts';
import { runOperation } from '#operations/runOperation.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { activeCluster, clusterOf, eventsOf, never, once, operationOf, type TestCluster } from './clusterWorld.ts';

let grove: TestOperations;
beforeAll(async () => {
  grove = await createTestOperations({ working: false });
});
afterAll(() => grove.close());

const restart = ({ actor, clusterId }: TestCluster, input: object = {}) =>
  accept(grove.deps, actor, restartCluster, { clusterId, ...input }, once);

async function restarted(subject: TestCluster, input: object = {}) {
  const before = grove.machines.calls.length;
  const accepted = await restart(subject, input);
  await runOperation(grove.deps, accepted.operationId, never);
  return { ...accepted, calls: grove.machines.calls.slice(before) };
}

describe('restartCluster', () => {
  test('restarts one after the other, the primary last, each ACTIVE before the next', async () => {
    const subject = await activeCluster(grove, 3);
    const { operationId, calls } = await restarted(subject);
    expect(calls).toEqual(['restart orders-2', 'restart orders-3', 'restart orders-1', 'verify']);
    const { instances, status } = await clusterOf(grove, subject.clusterId);
    expect(status).toBe('ACTIVE');
    const byName = Object.fromEntries(instances.map(({ name, id }) => [name, id]));
    expect((await operationOf(grove, operationId)).result).toEqual({
      instances: ['orders-2', 'orders-3', 'orders-1'].map((name) => ({ instanceId: byName[name], downMs: 7 })),
      verified: true,
    });
    const names = new Map(instances.map(({ name, id }) => [id, name]));
    const statuses = (await eventsOf(grove, subject)).filter(
      (event) => event.operationId === operationId && event.type === 'INSTANCE_STATUS_CHANGED',
    );
    expect(statuses.map(({ instanceId, toStatus }) => `${names.get(instanceId ?? '')} ${toStatus}`)).toEqual([
      'orders-2 RESTARTING',
      'orders-2 ACTIVE',
      'orders-3 RESTARTING',
      'orders-3 ACTIVE',
      'orders-1 RESTARTING',
      'orders-1 ACTIVE',
    ]);
  });

  test('restarts all at once, or those that are chosen', async () => {
    const subject = await activeCluster(grove, 3);
    let together = 0;
    let most = 0;
    grove.machines.interfere(async (call) => {
      if (!call.startsWith('restart')) return;
      together += 1;
      most = Math.max(most, together);
      await expect.poll(() => most).toBe(3);
      together -= 1;
    });
    const all = await restarted(subject, { strategy: 'ALL_AT_ONCE' });
    grove.machines.interfere(async () => {});
    expect(await operationOf(grove, all.operationId)).toMatchObject({ status: 'SUCCEEDED' });
    const [first, second] = (await clusterOf(grove, subject.clusterId)).instances;
    const some = await restarted(subject, { instanceIds: [first?.id, second?.id] });
    expect(some.calls).toEqual(['restart orders-2', 'restart orders-1', 'verify']);
  });

  test('goes on where a worker that stopped left it: what was restarted is not restarted again', async () => {
    const subject = await activeCluster(grove, 3);
    const { operationId } = await restart(subject);
    const stopping = new AbortController();
    grove.machines.interfere(async (call, signal) => {
      if (call !== 'restart orders-3') return;
      stopping.abort();
      signal.throwIfAborted();
    });
    await expect(runOperation(grove.deps, operationId, stopping.signal)).rejects.toThrow('The worker is stopping');
    grove.machines.interfere(async () => {});
    const before = grove.machines.calls.length;
    await runOperation(grove.deps, operationId, never);
    expect(grove.machines.calls.slice(before)).toEqual(['restart orders-3', 'restart orders-1', 'verify']);
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'SUCCEEDED' });
  });

  test('waits for what is seen of the new server, not of the old one', async () => {
    const subject = await activeCluster(grove, 1);
    const [instance] = (await clusterOf(grove, subject.clusterId)).instances;
    const id = instance?.id ?? '';
    const { engine } = grove.machines;
    const { restart: restartFake } = engine;
    const startedAt = new Date().toISOString();
    engine.restart = async () => {
      await grove.machines.observe(id, { role: 'PRIMARY', startedAt: new Date(0).toISOString() });
      return { startedAt, downMs: 1 };
    };
    const { operationId } = await restart(subject);
    const running = runOperation(grove.deps, operationId, never);
    await expect.poll(async () => (await operationOf(grove, operationId)).waitingFor).toContain('serves again');
    expect((await clusterOf(grove, subject.clusterId)).instances[0]).toMatchObject({ status: 'RESTARTING' });
    await grove.machines.observe(id, { role: 'PRIMARY', startedAt });
    await running;
    engine.restart = restartFake;
    expect(await operationOf(grove, operationId)).toMatchObject({ status: 'SUCCEEDED' });
  });

  test('that fails touches none of the rest, and another one heals what it left', async () => {
    const subject = await activeCluster(grove, 3);
    grove.machines.interfere(async (call) => {
      if (call === 'restart orders-2') throw new StepFailure('SERVER_START_FAILED', 'It does not start.');
    });
    const failed = await restarted(subject);
    grove.machines.interfere(async () => {});
    expect(failed.calls).toEqual(['restart orders-2']);
    const { status, instances } = await clusterOf(grove, subject.clusterId);
    expect([status, ...instances.map((instance) => instance.status)]).toEqual([
      'DEGRADED',
      'ACTIVE',
      'ERROR',
      'ACTIVE',
    ]);
    await retryOperation(grove.deps, subject.actor, { operationId: failed.operationId });
    await runOperation(grove.deps, failed.operationId, never);
    expect(await operationOf(grove, failed.operationId)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await clusterOf(grove, subject.clusterId)).toMatchObject({ status: 'ACTIVE' });
  });

  test('refuses one that has no server, one that nobody reaches, and strangers', async () => {
    const subject = await activeCluster(grove, 2);
    const [, replica] = (await clusterOf(grove, subject.clusterId)).instances;
    const id = replica?.id ?? '';
    const observed = await grove.deps.db.instance.findUniqueOrThrow({ where: { id } });
    await grove.deps.db.instance.update({ where: { id }, data: { status: 'UNREACHABLE' } });
    await expect(restart(subject)).rejects.toMatchObject({ code: 'INSTANCE_STATUS', instanceId: id });
    // What an operation left it as hides that its agent is gone.
    const failed = { status: 'ERROR', activity: 'FAILED', agentLostAt: new Date() } as const;
    await grove.deps.db.instance.update({ where: { id }, data: failed });
    await expect(restart(subject)).rejects.toMatchObject({ code: 'INSTANCE_STATUS', instanceId: id });
    await grove.deps.db.instance.update({ where: { id }, data: { agentLostAt: null } });
    await grove.machines.observe(id, { role: null, serving: false });
    await grove.deps.db.instance.update({ where: { id }, data: { status: 'ERROR', activity: 'FAILED' } });
    await expect(restart(subject)).rejects.toMatchObject({ code: 'INSTANCE_STATUS', status: 'ERROR' });
    await grove.deps.db.instance.update({ where: { id }, data: { status: 'ACTIVE', activity: observed.activity } });
    await expect(restart(subject, { instanceIds: [crypto.randomUUID()] })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(restart(subject, { instanceIds: [id, id] })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });
});
