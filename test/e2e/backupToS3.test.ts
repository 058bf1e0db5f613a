import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { openBackupStore } from '#backups/openBackupStore.ts';
import { changedBackup, requestRestore, takenBackup } from '../support/backupCalls.ts';
import { createdCluster, operationEnd, readCluster, revealedCredentials, uuidOf } from '../support/clusterCalls.ts';
import { createGroveHome } from '../support/groveProcess.ts';
import { s3Bucket, s3Server } from '../support/s3Server.ts';

const secretKey = 'an-s3-secret-that-must-not-be-found';

test('a cluster is backed up into a bucket and restored from it; the key to it is in no file, row or log', async ({
  task,
}) => {
  const { endpoint, settings } = await s3Server();
  const home = await createGroveHome();
  onTestFinished(() => home.destroy(task));
  const { client, output } = await home.start({
    environment: {
      GROVE_BACKUP_S3_BUCKET: s3Bucket,
      GROVE_BACKUP_S3_PREFIX: 'grove',
      GROVE_BACKUP_S3_ENDPOINT: endpoint,
      GROVE_BACKUP_S3_ACCESS_KEY_ID: 'S3RVER',
      GROVE_BACKUP_S3_SECRET_ACCESS_KEY: secretKey,
      GROVE_LOG_LEVEL: 'debug',
    },
  });
  const clusterId = await createdCluster(client, { name: 'orders', instanceCount: 1 });
  await query((await revealedCredentials(client, clusterId)).uri, 'CREATE TABLE t AS SELECT 42 AS answer');
  const backup = await takenBackup(client, { clusterId });
  const store = openBackupStore(settings);
  const [file] = await store.list(uuidOf(clusterId));
  expect(file?.bytes).toBe(Number(backup.bytes));

  const { cluster, operation } = await requestRestore(client, { backupId: backup.id, name: 'again' });
  expect(await operationEnd(client, operation.id)).toMatchObject({ status: 'SUCCEEDED' });
  expect(await readCluster(client, cluster.id)).toMatchObject({ status: 'ACTIVE' });
  const { uri } = await revealedCredentials(client, cluster.id);
  expect(await query(uri, 'SELECT answer FROM t')).toEqual([{ answer: 42 }]);

  expect(await changedBackup(client, 'deleteBackup', backup.id)).toMatchObject({ status: 'SUCCEEDED' });
  expect(await store.list(uuidOf(clusterId))).toEqual([]);
  expect(filesWith(home.directory, secretKey)).toEqual([]);
  expect(output()).not.toContain(secretKey);
}, 180_000);

async function query(uri: string, text: string): Promise<object[]> {
  const session = new pg.Client({ connectionString: uri });
  await session.connect();
  try {
    return (await session.query(text)).rows;
  } finally {
    await session.end();
  }
}

/** The store's tables and write-ahead log are among these. */
function filesWith(directory: string, text: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = join(directory, name);
    return (statSync(path, { throwIfNoEntry: false })?.isFile() ?? false) && readFileSync(path).includes(text);
  });
}
