import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Shape } from '../support/apiClient.ts';
import {
  createdCluster,
  cursorNow,
  eventsUntil,
  isBeginningOf,
  operationEnd,
  readCluster,
  revealedCredentials,
} from '../support/clusterCalls.ts';
import { createGroveHome, type GroveHome } from '../support/groveProcess.ts';
import { promotionResult, requestPromotion } from '../support/promotionCalls.ts';
import { lostWrites, startRecordingWriter } from '../support/recordingWriter.ts';

let home: GroveHome;
beforeEach(async () => {
  home = await createGroveHome();
});
afterEach(({ task }) => home.destroy(task));

describe('a planned promotion whose Grove is killed with -9', () => {
  test('as the old primary stops, and as the new one is promoted, goes on after the next start and loses nothing', async () => {
    let grove = await home.start();
    const clusterId = await createdCluster(grove.client, { name: 'orders', instanceCount: 2 });
    const { username: user, password, database } = await revealedCredentials(grove.client, clusterId);
    const targets = (await readCluster(grove.client, clusterId)).instances.nodes.map(({ address, port }: Shape) => ({
      host: address,
      port,
    }));
    const writer = await startRecordingWriter({ user, password, database, targets });
    for (const [step, from, to] of [
      ['stop orders-1', 'orders-1', 'orders-2'],
      ['promote orders-1', 'orders-2', 'orders-1'],
      ['bring orders-1 back', 'orders-1', 'orders-2'],
    ] as const) {
      const { instances } = await readCluster(grove.client, clusterId);
      const { id: instanceId } = instances.nodes.find(({ name }: Shape) => name === to);
      const after = await cursorNow(grove.client);
      const asked = await requestPromotion(grove.client, { clusterId, instanceId, mode: 'PLANNED' });
      await eventsUntil(grove.client, after, isBeginningOf(step));
      await grove.kill();
      const before = writer.count();
      grove = await home.start();
      expect(await operationEnd(grove.client, asked.operation.id), grove.output()).toMatchObject({
        status: 'SUCCEEDED',
        error: null,
      });
      expect(await promotionResult(grove.client, asked.operation.id)).toMatchObject({
        oldPrimary: { name: from },
        newPrimary: { name: to },
        lossBytes: '0',
        oldPrimaryRejoined: 'ATTACHED',
      });
      await expect.poll(() => writer.count(), { timeout: 10_000 }).toBeGreaterThan(before);
      expect(await readCluster(grove.client, clusterId)).toMatchObject({ status: 'ACTIVE', primary: { name: to } });
    }
    const { acknowledged } = await writer.stop();
    for (const target of targets) {
      await expect
        .poll(() => lostWrites(target, { user, password, database }, acknowledged), { timeout: 10_000 })
        .toEqual([]);
    }
  }, 240_000);
});
