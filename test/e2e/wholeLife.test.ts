import { beforeAll, describe, expect, test } from 'vitest';
import type { ApiClient, Shape } from '../support/apiClient.ts';
import { requestRestore, takenBackup } from '../support/backupCalls.ts';
import {
  createdCluster,
  cursorNow,
  deletedCluster,
  eventLines,
  operationEnd,
  readCluster,
  revealedCredentials,
} from '../support/clusterCalls.ts';
import { createGroveHome, destroyAfterAll, type GroveHome } from '../support/groveProcess.ts';
import { lastOperation, loseInstance, promoted, requestPromotion } from '../support/promotionCalls.ts';
import { lostWrites, startRecordingWriter } from '../support/recordingWriter.ts';
import { requestAdd, requestDrop, requestRestart, succeeded } from '../support/topologyCalls.ts';

let home: GroveHome;
beforeAll(async () => {
  home = await createGroveHome();
});
destroyAfterAll(() => home);

/** A write takes at least so many bytes of a database's log: what a loss of so many bytes can have held at most. */
const leastBytesOfWrite = 50;

async function loginTo(client: ApiClient, clusterId: string) {
  const { username: user, password, database } = await revealedCredentials(client, clusterId);
  return { user, password, database };
}

async function lostOf(client: ApiClient, clusterId: string, acknowledged: readonly number[]): Promise<number[]> {
  const { primary, instances } = await readCluster(client, clusterId);
  const { address, port } = instances.nodes.find(({ name }: Shape) => name === primary.name);
  return await lostWrites({ host: address, port }, await loginTo(client, clusterId), acknowledged);
}

describe('one cluster', () => {
  test('goes through all of its life while a client writes, and loses no more than is stated', async () => {
    const grove = await home.start();
    const { client } = grove;
    const clusterId = await createdCluster(client, { name: 'orders', instanceCount: 3 });
    const read = () => readCluster(client, clusterId);
    const nodes = async (): Promise<Shape[]> => (await read()).instances.nodes;
    const servers = async () => (await nodes()).map(({ address, port }) => ({ host: address, port }));
    const writer = await startRecordingWriter({ ...(await loginTo(client, clusterId)), targets: await servers() });

    await succeeded(client, requestAdd(client, { clusterId, count: 2 }));
    writer.knows(await servers());
    expect(await read()).toMatchObject({ status: 'ACTIVE', primary: { name: 'orders-1' } });
    const leaving = (await nodes()).slice(3).map(({ id }) => id);
    await succeeded(client, requestDrop(client, { clusterId, instanceIds: leaving }));
    const planned = await promoted(client, requestPromotion(client, { clusterId, mode: 'PLANNED' }));
    expect(planned).toMatchObject({ oldPrimary: { name: 'orders-1' }, lossBytes: '0' });

    const from = await cursorNow(client);
    const { primary } = await read();
    const dying = (await nodes()).find(({ name }) => name === primary.name);
    const { restore } = await loseInstance(home, clusterId, dying?.id);
    await eventLines(client, from, (seen) => seen.some((line) => line.endsWith('REPLICA→PRIMARY')));
    await restore();
    await expect.poll(async () => (await read()).status, { timeout: 60_000 }).toBe('ACTIVE');
    const { result: failover } = await lastOperation(client, clusterId, 'PROMOTE_INSTANCE');
    expect(failover).toMatchObject({ mode: 'FAILOVER', oldPrimary: { name: dying?.name } });

    await succeeded(client, requestRestart(client, { clusterId }));
    const before = writer.count();
    const backup = await takenBackup(client, { clusterId });
    const restored = await requestRestore(client, { backupId: backup.id, name: 'again' });
    expect(await operationEnd(client, restored.operation.id)).toMatchObject({ status: 'SUCCEEDED' });
    const { acknowledged } = await writer.stop();

    const lost = await lostOf(client, clusterId, acknowledged);
    expect(lost.length * leastBytesOfWrite).toBeLessThanOrEqual(Number(failover.lossBytes));
    const backedUp = acknowledged.slice(0, before).filter((number) => !lost.includes(number));
    expect(await lostOf(client, restored.cluster.id, backedUp)).toEqual([]);
    for (const id of [clusterId, restored.cluster.id]) {
      expect(await deletedCluster(client, id)).toMatchObject({ status: 'SUCCEEDED' });
    }
    expect(await grove.interrupt()).toMatchObject({ inOrder: true });
  }, 300_000);
});
