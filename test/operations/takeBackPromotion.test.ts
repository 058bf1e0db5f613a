import { describe, expect, test } from 'vitest';
import { AgentCommandFailed } from '#engines/engine.ts';
import { accept } from '#operations/accept.ts';
import { promoteInstance } from '#operations/promoteInstance.ts';
import { retryOperation } from '#operations/retryOperation.ts';
import { runOperation } from '#operations/runOperation.ts';
import type { TestOperations } from '../support/operations.ts';
import { beforeEachPromotion } from './beforeEachPromotion.ts';
import { clusterOf, instanceNamed, losePrimary, never, once, operationOf, type TestCluster } from './clusterWorld.ts';

let grove: TestOperations;
let cluster: TestCluster;
beforeEachPromotion((world) => {
  ({ grove, cluster } = world);
});

const lose = (name: string) => losePrimary(grove, cluster, name);
const ask = async (mode: 'PLANNED' | 'FAILOVER') => {
  if (mode === 'FAILOVER') await lose('orders-1');
  const input = { clusterId: cluster.clusterId, mode };
  return (await accept(grove.deps, cluster.actor, promoteInstance, input, once)).operationId;
};
const run = async (operationId: string) => {
  await runOperation(grove.deps, operationId, never);
  return await operationOf(grove, operationId);
};
const standing = async () => {
  const { primaryInstanceId, instances } = await clusterOf(grove, cluster.clusterId);
  return {
    wanted: instances.find(({ id }) => id === primaryInstanceId)?.name,
    fenced: instances.filter(({ fencedAt }) => fencedAt !== null).map(({ name }) => name),
    activities: instances.map(({ activity }) => activity),
  };
};
const passDeadline = (operationId: string) =>
  grove.deps.db.operation.update({ where: { id: operationId }, data: { deadlineAt: new Date(0) } });

/** Its worker dies at this call, and the next one comes after the deadline. */
async function resumeLate(operationId: string, call: string) {
  const dying = new AbortController();
  grove.machines.interfere(async (made, signal) => {
    if (made !== call) return;
    dying.abort();
    await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  });
  await expect(runOperation(grove.deps, operationId, dying.signal)).rejects.toThrow('The worker is stopping');
  grove.machines.interfere(async () => {});
  await passDeadline(operationId);
  return await run(operationId);
}

describe('a promotion whose worker comes back after its deadline', () => {
  test.each(['ready orders-2', 'demote orders-1', 'promote orders-2', 'rejoin orders-3', 'verify'])(
    'goes on to its end from "%s" on',
    async (call) => {
      const { status, error, result } = await resumeLate(await ask('PLANNED'), call);
      expect({ status, error }).toEqual({ status: 'SUCCEEDED', error: null });
      expect(result).toMatchObject({ lossBytes: 0, rejoined: 'ATTACHED' });
      expect(await standing()).toEqual({ wanted: 'orders-2', fenced: [], activities: ['NONE', 'NONE', 'NONE'] });
    },
  );

  test('gives the writes back where the target is not promoted', async () => {
    const operationId = await ask('PLANNED');
    const dying = new AbortController();
    grove.machines.interfere(async (made, signal) => {
      if (made !== 'demote orders-1') return;
      if (dying.signal.aborted) throw new AgentCommandFailed('SYSTEM', 'The disk is full.');
      dying.abort();
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    await expect(runOperation(grove.deps, operationId, dying.signal)).rejects.toThrow('The worker is stopping');
    await passDeadline(operationId);
    expect(await run(operationId)).toMatchObject({ status: 'FAILED', error: { code: 'WRITES_GIVEN_BACK' } });
    expect(grove.machines.calls).toContain('give back orders-1');
    expect((await standing()).wanted).toBe('orders-1');
  });

  test('goes on with a failover from the fence on', async () => {
    expect(await resumeLate(await ask('FAILOVER'), 'elect')).toMatchObject({ status: 'SUCCEEDED', error: null });
    expect((await standing()).wanted).toBe('orders-2');
  });

  test('fails with it before the old primary is stopped, and has changed nothing', async () => {
    const { status, error } = await resumeLate(await ask('PLANNED'), 'prepare orders-1 to orders-2');
    expect({ status, error }).toMatchObject({ status: 'FAILED', error: { code: 'DEADLINE_PASSED' } });
    expect(grove.machines.calls).toEqual(['prepare orders-1 to orders-2']);
    expect(await standing()).toEqual({ wanted: 'orders-1', fenced: [], activities: ['NONE', 'NONE', 'NONE'] });
  });
});

describe('a promotion that ends badly before anybody was told to become the primary', () => {
  /** Grove's own fault, once the target is wanted. */
  const meetABug = (call: string) =>
    grove.machines.interfere(async (made) => {
      if (made === call) throw new Error('A bug');
    });

  test('leaves the old primary wanted and the target as it was; its retry stops the old one again', async () => {
    const operationId = await ask('PLANNED');
    meetABug('demote orders-1');
    expect(await run(operationId)).toMatchObject({ status: 'FAILED', error: { code: 'INTERNAL' } });
    expect(await standing()).toEqual({ wanted: 'orders-1', fenced: [], activities: ['NONE', 'NONE', 'NONE'] });
    grove.machines.interfere(async () => {});
    grove.machines.calls.length = 0;
    await retryOperation(grove.deps, cluster.actor, { operationId });
    expect(await run(operationId)).toMatchObject({ status: 'SUCCEEDED' });
    expect(grove.machines.calls.slice(0, 4)).toEqual([
      'prepare orders-1 to orders-2',
      'ready orders-2',
      'demote orders-1',
      'promote orders-2',
    ]);
    expect((await standing()).wanted).toBe('orders-2');
  });

  test('of a failover lifts the fence; its retry fences the lost one off again', async () => {
    const operationId = await ask('FAILOVER');
    meetABug('elect');
    expect(await run(operationId)).toMatchObject({ status: 'FAILED', error: { code: 'INTERNAL' } });
    expect(grove.machines.calls).toEqual(['fence orders-1', 'elect', 'unfence orders-1']);
    expect(await standing()).toEqual({ wanted: 'orders-1', fenced: [], activities: ['NONE', 'NONE', 'NONE'] });
    grove.machines.interfere(async () => {});
    grove.machines.calls.length = 0;
    await retryOperation(grove.deps, cluster.actor, { operationId });
    expect(await run(operationId)).toMatchObject({ status: 'SUCCEEDED' });
    expect(grove.machines.calls.slice(0, 3)).toEqual(['fence orders-1', 'elect', 'promote orders-2']);
    expect((await standing()).wanted).toBe('orders-2');
  });

  test('of a failover does so too where its choice is recorded, and by the worker after one that died ending it', async () => {
    const operationId = await ask('FAILOVER');
    const { db } = grove.deps;
    const died = new AbortController();
    const target = (await instanceNamed(grove, cluster, 'orders-2')).id;
    grove.machines.interfere(async (made) => {
      if (made === 'elect') {
        // What a choice leaves whose step is not recorded as done.
        await db.cluster.update({ where: { id: cluster.clusterId }, data: { primaryInstanceId: target } });
        await db.instance.update({ where: { id: target }, data: { activity: 'PROMOTING' } });
        throw new Error('A bug');
      }
      if (made !== 'unfence orders-1' || died.signal.aborted) return;
      died.abort();
      throw new Error('died');
    });
    await expect(runOperation(grove.deps, operationId, died.signal)).rejects.toThrow('The worker is stopping');
    expect(await run(operationId)).toMatchObject({ status: 'FAILED', error: { code: 'INTERNAL' } });
    expect(await standing()).toEqual({ wanted: 'orders-1', fenced: [], activities: ['NONE', 'NONE', 'NONE'] });
  });

  test('is left as it is once somebody was told', async () => {
    const operationId = await ask('PLANNED');
    meetABug('promote orders-2');
    expect(await run(operationId)).toMatchObject({ status: 'FAILED', error: { code: 'INTERNAL' } });
    expect((await standing()).wanted).toBe('orders-2');
  });
});
