import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { openBackupStore } from '#backups/openBackupStore.ts';
import type { Shape } from '../support/apiClient.ts';
import { readBackup, requestBackup, takenBackup } from '../support/backupCalls.ts';
import { createdCluster, operationEnd, readCluster, revealedCredentials, uuidOf } from '../support/clusterCalls.ts';
import { createGroveHome } from '../support/groveProcess.ts';
import { holdingProxy } from '../support/holdingProxy.ts';
import { lastOperation, loseInstance } from '../support/promotionCalls.ts';
import { s3Bucket, s3Server } from '../support/s3Server.ts';

const patience = { timeout: 60_000, interval: 100 };

test('a primary that is lost while every instance is being copied is failed over at once', async ({ task }) => {
  const { endpoint, settings } = await s3Server();
  const way = await holdingProxy(endpoint);
  const home = await createGroveHome();
  onTestFinished(() => home.destroy(task));
  const { client } = await home.start({
    environment: {
      GROVE_BACKUP_S3_BUCKET: s3Bucket,
      GROVE_BACKUP_S3_PREFIX: 'grove',
      GROVE_BACKUP_S3_ENDPOINT: way.url,
      GROVE_BACKUP_S3_ACCESS_KEY_ID: 'S3RVER',
      GROVE_BACKUP_S3_SECRET_ACCESS_KEY: 'S3RVER',
    },
  });
  const clusterId = await createdCluster(client, { name: 'orders', instanceCount: 3, synchronous: true });
  const { uri } = await revealedCredentials(client, clusterId);
  // More than the store's client holds in memory: each copy is held up in its middle.
  await query(uri, `CREATE TABLE t AS SELECT ${randomText(32)} AS v FROM generate_series(1, 40000)`);

  way.hold();
  const { backup, operation } = await requestBackup(client, { clusterId });
  const instances: Shape[] = (await readCluster(client, clusterId)).instances.nodes;
  const isHeld = ({ id }: Shape) => way.held().some((path) => path.includes(uuidOf(id)));
  await expect.poll(() => instances.filter(isHeld).length, patience).toBe(3);

  const { restore } = await loseInstance(home, clusterId, instances[0]?.id);
  const promotion = () => lastOperation(client, clusterId, 'PROMOTE_INSTANCE');
  await expect.poll(async () => (await promotion())?.id, patience).toBeDefined();
  const { id } = await promotion();
  expect(await operationEnd(client, id)).toMatchObject({ status: 'SUCCEEDED', error: null });
  const { result, requestedBy } = await promotion();
  expect(requestedBy).toMatchObject({ name: 'automatic failover' });
  expect(result).toMatchObject({ oldPrimary: { name: 'orders-1' } });
  // What each agent had begun to store was given up, not just left behind.
  expect(way.held()).toEqual([]);
  expect(result.writeGapMs).toBeLessThan(20_000);
  expect(await operationEnd(client, operation.id)).toMatchObject({ status: 'CANCELLED' });
  expect(await readBackup(client, backup.id)).toMatchObject({ status: 'FAILED' });
  const store = openBackupStore(settings);
  expect(await store.list(uuidOf(clusterId))).toEqual([]);

  way.release();
  await restore();
  const health = async () => (await readCluster(client, clusterId)).health.level;
  await expect.poll(health, patience).toBe('HEALTHY');
  await expect.poll(async () => (await readCluster(client, clusterId)).status, patience).toBe('ACTIVE');
  await takenBackup(client, { clusterId });
  expect(await store.list(uuidOf(clusterId))).toHaveLength(3);
}, 300_000);

/** Text that cannot be compressed to less than half. */
const randomText = (words: number) => Array.from({ length: words }, () => 'md5(random()::text)').join(' || ');

async function query(uri: string, text: string): Promise<void> {
  const session = new pg.Client({ connectionString: uri });
  await session.connect();
  try {
    await session.query(text);
  } finally {
    await session.end();
  }
}
