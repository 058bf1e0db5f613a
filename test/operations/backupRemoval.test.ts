import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type BackupStore, BackupStoreError } from '#backups/backupStore.ts';
import { hourMs, minuteMs } from '#lib/time/durations.ts';
import { unfinishedRemovals } from '#monitors/unfinishedRemovals.ts';
import { accept } from '#operations/accept.ts';
import { backupCluster } from '#operations/backupCluster.ts';
import { cancelOperation } from '#operations/cancelOperation.ts';
import { deleteBackup } from '#operations/deleteBackup.ts';
import type { OperationDeps } from '#operations/deps.ts';
import { restoreCluster } from '#operations/restoreCluster.ts';
import { retryOperation } from '#operations/retryOperation.ts';
import { runOperation } from '#operations/runOperation.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { activeCluster, eventsOf, never, once, operationOf, type TestCluster } from './clusterWorld.ts';

let grove: TestOperations;
let cluster: TestCluster;
let backupId: string;
beforeAll(async () => {
  grove = await createTestOperations({ working: false });
});
afterAll(() => grove.close());
beforeEach(async () => {
  cluster = await activeCluster(grove, 2);
  const { operationId } = await accept(
    grove.deps,
    cluster.actor,
    backupCluster,
    { clusterId: cluster.clusterId },
    once,
  );
  await runOperation(grove.deps, operationId, never);
  backupId = (await grove.deps.db.backup.findUniqueOrThrow({ where: { operationId } })).id;
});

const backup = () => grove.deps.db.backup.findUniqueOrThrow({ where: { id: backupId } });
const files = async () => (await grove.deps.backups.store.list(cluster.clusterId)).length;
const ask = async () => {
  const input = { clusterId: cluster.clusterId, backupId };
  return (await accept(grove.deps, cluster.actor, deleteBackup, input, once)).operationId;
};
const cancel = (operationId: string) => cancelOperation(grove.deps, cluster.actor, { operationId });
const retry = (operationId: string) => retryOperation(grove.deps, cluster.actor, { operationId });
const run = async (operationId: string, deps: OperationDeps = grove.deps) => {
  await runOperation(deps, operationId, never);
  return await operationOf(grove, operationId);
};
const deletions = () =>
  grove.deps.db.operation.findMany({
    where: { clusterId: cluster.clusterId, kind: 'DELETE_BACKUP' },
    orderBy: { createdAt: 'asc' },
  });

/** Removes nothing: the store is away. */
function withoutStore(): OperationDeps {
  const { backups } = grove.deps;
  const removeAll: BackupStore['removeAll'] = async () => {
    throw new BackupStoreError('The store is away.', { retryable: false });
  };
  const store = { ...backups.store, removeAll } as BackupStore;
  return { ...grove.deps, backups: { ...backups, store } };
}

describe('a removal that ended before it had begun', () => {
  test('leaves the backup as it was, and tells so', async () => {
    const before = await backup();
    const operationId = await ask();
    expect((await backup()).status).toBe('DELETING');
    await cancel(operationId);
    expect((await run(operationId)).status).toBe('CANCELLED');
    const { status, statusReason, finishedAt } = await backup();
    expect({ status, statusReason, finishedAt }).toEqual({
      status: 'COMPLETED',
      statusReason: 'Its removal ended before it had begun.',
      finishedAt: before.finishedAt,
    });
    expect(await files()).toBe(2);
    const told = (await eventsOf(grove, cluster)).filter(({ type }) => type === 'BACKUP_STATUS_CHANGED');
    expect(told.slice(-2).map(({ fromStatus, toStatus }) => `${fromStatus} ${toStatus}`)).toEqual([
      'COMPLETED DELETING',
      'DELETING COMPLETED',
    ]);
  });

  test('is retried where the backup is free by then, and refused where it is in use', async () => {
    const operationId = await ask();
    await cancel(operationId);
    await run(operationId);
    const restore = await accept(grove.deps, cluster.actor, restoreCluster, { backupId, name: 'again' }, once);
    await expect(retry(operationId)).rejects.toMatchObject({ code: 'BACKUP_IN_USE' });
    await run(restore.operationId);
    await retry(operationId);
    expect((await backup()).status).toBe('DELETING');
    expect((await run(operationId)).status).toBe('SUCCEEDED');
    expect((await backup()).status).toBe('DELETED');
    expect(await files()).toBe(0);
  });

  test('does not bring back what an earlier one may have begun to remove', async () => {
    expect(await run(await ask(), withoutStore())).toMatchObject({ status: 'FAILED', error: { code: 'BACKUP_STORE' } });
    const second = await ask();
    await cancel(second);
    expect((await run(second)).status).toBe('CANCELLED');
    expect((await backup()).status).toBe('DELETING');
  });
});

describe('a removal that failed', () => {
  let passedMs = 0;
  beforeEach(() => {
    passedMs = 0;
  });
  const monitor = () => {
    const clock = { now: () => new Date(Date.now() + passedMs) };
    return unfinishedRemovals({ ...grove.deps, clock });
  };
  const roundAfter = async (ms: number) => {
    passedMs = ms;
    await monitor().round();
    return (await deletions()).length;
  };

  test('is asked for again by Grove, each time after a longer pause, until the files are gone', async () => {
    await run(await ask(), withoutStore());
    expect(await roundAfter(0.9 * minuteMs)).toBe(1);
    expect(await roundAfter(1.1 * minuteMs)).toBe(2);
    const [, second] = await deletions();
    expect(second?.requestedBy).toMatchObject({ kind: 'SYSTEM', name: 'backup removal' });
    expect(await roundAfter(hourMs)).toBe(2);
    await run(second?.id ?? '', withoutStore());
    expect(await roundAfter(1.9 * minuteMs)).toBe(2);
    expect(await roundAfter(2.2 * minuteMs)).toBe(3);
    const third = (await deletions())[2];
    await run(third?.id ?? '');
    expect((await backup()).status).toBe('DELETED');
    expect(await files()).toBe(0);
    expect(await roundAfter(24 * hourMs)).toBe(3);
  });

  test('is not asked for while the cluster is busy', async () => {
    await run(await ask(), withoutStore());
    await accept(grove.deps, cluster.actor, backupCluster, { clusterId: cluster.clusterId }, once);
    expect(await roundAfter(hourMs)).toBe(1);
  });
});
