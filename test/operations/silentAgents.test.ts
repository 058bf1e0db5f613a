import { describe, expect, test } from 'vitest';
import { AgentSilent } from '#engines/engine.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { accept } from '#operations/accept.ts';
import { promoteInstance } from '#operations/promoteInstance.ts';
import { runOperation } from '#operations/runOperation.ts';
import type { TestOperations } from '../support/operations.ts';
import { beforeEachPromotion } from './beforeEachPromotion.ts';
import { clusterOf, instanceNamed, losePrimary, never, once, operationOf, type TestCluster } from './clusterWorld.ts';

let grove: TestOperations;
let cluster: TestCluster;
beforeEachPromotion((world) => {
  ({ grove, cluster } = world);
});

const idOf = async (name: string) => (await instanceNamed(grove, cluster, name)).id;
const promote = async (input: object) => {
  const asked = { clusterId: cluster.clusterId, ...input };
  const { operationId } = await accept(grove.deps, cluster.actor, promoteInstance, asked, once);
  await runOperation(grove.deps, operationId, never);
  return await operationOf(grove, operationId);
};
const planned = async () => promote({ mode: 'PLANNED', instanceId: await idOf('orders-2') });
const wantedPrimary = async () => {
  const { instances, primaryInstanceId } = await clusterOf(grove, cluster.clusterId);
  return instances.find(({ id }) => id === primaryInstanceId)?.name;
};
const silentAt = (...calls: string[]) =>
  grove.machines.interfere(async (made) => {
    if (calls.includes(made)) throw new AgentSilent('AGENT_SILENT', `Nobody answers: ${made}.`, { retryable: true });
  });
const isDown = (name: string) => losePrimary(grove, cluster, name);

describe('an agent that does not answer while the cluster takes no writes', () => {
  test('is started anew, and its answer is taken', async () => {
    const startedAnew = Promise.withResolvers<void>();
    grove.machines.interfere(async (made) => {
      if (made === 'start orders-1') startedAnew.resolve();
      if (made === 'demote orders-1') await startedAnew.promise;
    });
    expect(await planned()).toMatchObject({ status: 'SUCCEEDED', result: { lossBytes: 0 } });
    expect(grove.machines.calls.slice(2, 6)).toEqual([
      'demote orders-1',
      'stop orders-1',
      'start orders-1',
      'promote orders-2',
    ]);
  });

  test('and is the old primary’s: it takes writes again', async () => {
    silentAt('demote orders-1');
    const { status, error } = await planned();
    expect({ status, error }).toMatchObject({ status: 'FAILED', error: { code: 'WRITES_GIVEN_BACK' } });
    expect(await wantedPrimary()).toBe('orders-1');
    expect(grove.machines.calls).not.toContain('promote orders-2');
  });

  test('and does not come back either: the operation ends with it wanted as before, and a failover can begin', async () => {
    silentAt('demote orders-1', 'give back orders-1');
    const { status, error } = await planned();
    expect({ status, error }).toMatchObject({
      status: 'FAILED',
      error: {
        code: 'WRITES_NOT_GIVEN_BACK',
        message: expect.stringContaining('Nobody answers: give back orders-1. Bring orders-1 back and retry this'),
      },
    });
    expect(await wantedPrimary()).toBe('orders-1');
    grove.machines.interfere(async () => {});
    await isDown('orders-1');
    expect(await promote({ mode: 'FAILOVER' })).toMatchObject({ status: 'SUCCEEDED' });
    expect(await wantedPrimary()).toBe('orders-2');
  });

  test.each(['PLANNED', 'FAILOVER'])(
    'and is that of the %s target: it stays wanted, and the next failover fences it off first',
    async (mode) => {
      silentAt('promote orders-2');
      if (mode === 'FAILOVER') await isDown('orders-1');
      const { status, error } = mode === 'PLANNED' ? await planned() : await promote({ mode });
      expect({ status, error }).toMatchObject({ status: 'FAILED', error: { code: 'PROMOTION_UNKNOWN' } });
      expect(await wantedPrimary()).toBe('orders-2');
      grove.machines.calls.length = 0;
      grove.machines.interfere(async () => {});
      await isDown('orders-2');
      const { result } = await promote({ mode: 'FAILOVER', acceptDataLoss: true });
      expect(result).toMatchObject({
        fromId: await idOf('orders-2'),
        toId: await idOf('orders-3'),
      });
      expect(grove.machines.calls.slice(0, 3)).toEqual(['fence orders-2', 'elect', 'promote orders-3']);
    },
  );

  test('and is that of a primary which was promoted and never reports: the operation ends', async () => {
    const { engine } = grove.machines;
    const promotion = assertPresent(engine.promotion, 'promotion');
    const mute = { ...promotion, promote: async () => ({ promoted: true as const, tookMs: 1 }) };
    const deps = { ...grove.deps, engines: { fake: { ...engine, promotion: mute } } };
    const input = { clusterId: cluster.clusterId, mode: 'PLANNED', instanceId: await idOf('orders-2') };
    const { operationId } = await accept(grove.deps, cluster.actor, promoteInstance, input, once);
    await runOperation(deps, operationId, never);
    expect(await operationOf(grove, operationId)).toMatchObject({
      status: 'FAILED',
      error: { code: 'NEW_PRIMARY_LOST' },
    });
  });
});
