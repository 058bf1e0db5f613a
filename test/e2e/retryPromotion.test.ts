import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Shape } from '../support/apiClient.ts';
import { createdCluster, operationEnd, readCluster, retryOperation } from '../support/clusterCalls.ts';
import { createGroveHome, type GroveHome } from '../support/groveProcess.ts';
import { freezeReplay, promotionResult, requestPromotion } from '../support/promotionCalls.ts';

let home: GroveHome;
beforeEach(async () => {
  home = await createGroveHome();
});
afterEach(({ task }) => home.destroy(task));

test('a planned promotion that gave the writes back is retried once its cause is gone, and hands over', async () => {
  const { client } = await home.start();
  const clusterId = await createdCluster(client, { name: 'orders', instanceCount: 2 });
  const { instances } = await readCluster(client, clusterId);
  const { id: instanceId } = instances.nodes.find(({ name }: Shape) => name === 'orders-2');
  const { thaw } = await freezeReplay(instanceId);
  const { operation } = await requestPromotion(client, { clusterId, instanceId, mode: 'PLANNED' });
  const end = await operationEnd(client, operation.id);
  thaw();
  expect(end).toMatchObject({ status: 'FAILED', error: { code: 'WRITES_GIVEN_BACK' } });
  const isWhole = async () => (await readCluster(client, clusterId)).health.level;
  await expect.poll(isWhole, { timeout: 30_000 }).toBe('HEALTHY');
  expect(await readCluster(client, clusterId)).toMatchObject({ primary: { name: 'orders-1' } });

  expect(await retryOperation(client, operation.id)).toMatchObject({ operation: { status: 'QUEUED' } });
  expect(await operationEnd(client, operation.id)).toMatchObject({ status: 'SUCCEEDED', error: null });
  expect(await promotionResult(client, operation.id)).toMatchObject({
    newPrimary: { name: 'orders-2' },
    lossBytes: '0',
    oldPrimaryRejoined: 'ATTACHED',
  });
  expect(await readCluster(client, clusterId)).toMatchObject({ status: 'ACTIVE', primary: { name: 'orders-2' } });
}, 120_000);
