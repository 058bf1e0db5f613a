import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Actor } from '#domain/actor.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { backupPolicies } from '#monitors/backupPolicies.ts';
import { failedBackups } from '#monitors/failedBackups.ts';
import { accept } from '#operations/accept.ts';
import { backupCluster } from '#operations/backupCluster.ts';
import { cancelOperation } from '#operations/cancelOperation.ts';
import { createCluster } from '#operations/createCluster.ts';
import { deleteBackup } from '#operations/deleteBackup.ts';
import { deleteCluster } from '#operations/deleteCluster.ts';
import { planOperation } from '#operations/planOperation.ts';
import { previewRestore } from '#operations/previewRestore.ts';
import { projectQuota } from '#operations/projectQuota.ts';
import { restoreCluster } from '#operations/restoreCluster.ts';
import { retryOperation } from '#operations/retryOperation.ts';
import { runOperation } from '#operations/runOperation.ts';
import { settleCluster } from '#operations/settleCluster.ts';
import { takeScheduledBackup } from '#operations/takeScheduledBackup.ts';
import { updateCluster } from '#operations/updateCluster.ts';
import { verifyBackup } from '#operations/verifyBackup.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';

const options = { idempotencyKey: null, expectedVersion: null };
const never = new AbortController().signal;

let grove: TestOperations;
beforeAll(async () => {
  grove = await createTestOperations({ working: false });
});
afterAll(() => grove.close());

type Orders = { actor: Actor; clusterId: string };

/** A live cluster of two, in a project of its own. */
async function orders(input: object = {}): Promise<Orders> {
  const actor = await grove.createActor();
  const request = { name: 'orders', engine: 'fake', instanceCount: 2, ...input };
  const { clusterId, operationId } = await accept(grove.deps, actor, createCluster, request, options);
  await runOperation(grove.deps, operationId, never);
  return { actor, clusterId };
}

/** Takes a backup to its end, whatever that is. */
async function backedUp({ actor, clusterId }: Orders, input: object = {}) {
  const { operationId } = await accept(grove.deps, actor, backupCluster, { clusterId, ...input }, options);
  await runOperation(grove.deps, operationId, never);
  return await backupOf(operationId);
}

const backupOf = (operationId: string) =>
  grove.deps.db.backup.findUniqueOrThrow({
    where: { operationId },
    include: { operation: true, parts: { orderBy: { instanceName: 'asc' } } },
  });

async function restored(actor: Actor, backupId: string, input: object = {}) {
  const request = { backupId, name: 'again', ...input };
  const accepted = await accept(grove.deps, actor, restoreCluster, request, options);
  await runOperation(grove.deps, accepted.operationId, never);
  const where = { id: accepted.operationId };
  return await grove.deps.db.operation.findUniqueOrThrow({ where, include: { cluster: true } });
}

const { store } = { store: () => grove.deps.backups.store };
async function put(key: string, content: string): Promise<void> {
  await store().write(
    key,
    (async function* () {
      yield Buffer.from(content);
    })(),
  );
}

/** What is stored of each part. */
async function filesOf({ parts }: Awaited<ReturnType<typeof backupOf>>) {
  return await Promise.all(
    parts.map(async ({ location }) => {
      const key = assertPresent(location, 'the part');
      const chunks: Uint8Array[] = [];
      for await (const chunk of store().read(key)) chunks.push(chunk);
      return { key, content: Buffer.concat(chunks).toString() };
    }),
  );
}

async function verified(actor: Actor, backupId: string, outcome: object): Promise<void> {
  const { operationId } = await accept(grove.deps, actor, verifyBackup, { backupId }, options);
  await runOperation(grove.deps, operationId, never);
  expect(await grove.deps.db.operation.findUnique({ where: { id: operationId } })).toMatchObject(outcome);
}

const statusesOf = (clusterId: string) =>
  grove.deps.db.instance
    .findMany({ where: { clusterId }, orderBy: { name: 'asc' } })
    .then((rows) => rows.map(({ status }) => status));
const events = (clusterId: string, type: 'BACKUP_STATUS_CHANGED' | 'BACKUP_MISSED' | 'BACKUP_VERIFIED') =>
  grove.deps.db.event.findMany({ where: { clusterId, type }, orderBy: { seq: 'asc' } });

async function during(when: string, work: () => Promise<void>): Promise<void> {
  grove.machines.interfere(async (call) => {
    if (call === when) await work();
  });
}
const undisturbed = () => grove.machines.interfere(async () => {});

describe('backupCluster', () => {
  test('stores a part of each instance, reads them back and tells each step of its status', async () => {
    const cluster = await orders();
    await during('back up orders-1', async () => {
      expect(await statusesOf(cluster.clusterId)).toContain('BACKING_UP');
    });
    const backup = await backedUp(cluster, { name: 'first' });
    undisturbed();
    expect(backup).toMatchObject({ status: 'COMPLETED', name: 'first', scheduled: false, instanceCount: 2 });
    expect(backup.operation).toMatchObject({ status: 'SUCCEEDED', result: { backupId: backup.id } });
    expect(backup.parts).toMatchObject([
      { instanceName: 'orders-1', status: 'COMPLETED', bytes: 20n, endPosition: '2', timeline: 1, error: null },
      { instanceName: 'orders-2', status: 'COMPLETED', bytes: 20n, endPosition: '2', timeline: 1, error: null },
    ]);
    expect(await statusesOf(cluster.clusterId)).toEqual(['ACTIVE', 'ACTIVE']);
    const told = await events(cluster.clusterId, 'BACKUP_STATUS_CHANGED');
    expect(told.map(({ fromStatus, toStatus }) => [fromStatus, toStatus])).toEqual([
      [null, 'PENDING'],
      ['PENDING', 'RUNNING'],
      ['RUNNING', 'COMPLETED'],
    ]);
  });

  test('is refused with a name that is in use, and while the cluster does not serve', async () => {
    const cluster = await orders();
    await backedUp(cluster, { name: 'first' });
    const again = accept(
      grove.deps,
      cluster.actor,
      backupCluster,
      { clusterId: cluster.clusterId, name: 'first' },
      options,
    );
    await expect(again).rejects.toMatchObject({ code: 'BACKUP_NAME_TAKEN', takenName: 'first' });
    await grove.deps.db.cluster.update({ where: { id: cluster.clusterId }, data: { status: 'DOWN' } });
    const down = accept(grove.deps, cluster.actor, backupCluster, { clusterId: cluster.clusterId }, options);
    await expect(down).rejects.toMatchObject({ code: 'CLUSTER_STATUS' });
  });

  test.each([
    [
      'its agent cannot',
      async () => Promise.reject(new StepFailure('BACKUP_FAILED', 'The disk is full.')),
      'The disk is full.',
    ],
  ])('fails as a whole where %s: no file is kept, the instances are as they were', async (_what, fault, words) => {
    const cluster = await orders();
    await during('back up orders-2', fault);
    const backup = await backedUp(cluster);
    undisturbed();
    expect(backup).toMatchObject({ status: 'FAILED', statusReason: words, operation: { status: 'FAILED' } });
    expect(backup.parts).toMatchObject([
      { status: 'FAILED', location: null, bytes: null, sha256: null },
      { status: 'FAILED', location: null, bytes: null, sha256: null, error: words },
    ]);
    expect(await store().list(cluster.clusterId)).toEqual([]);
    expect(await statusesOf(cluster.clusterId)).toEqual(['ACTIVE', 'ACTIVE']);
    const retry = retryOperation(grove.deps, cluster.actor, { operationId: backup.operationId });
    await expect(retry).rejects.toMatchObject({
      code: 'OPERATION_NOT_RETRYABLE',
      message: expect.stringContaining('BACKUP_CLUSTER of cluster "orders" cannot be retried: '),
    });
  });

  test('fails where a stored part is not what was sent', async () => {
    const cluster = await orders();
    const { backUp } = grove.machines.engine;
    grove.machines.engine.backUp = async (context, instance, file) => {
      const part = await backUp(context, instance, file);
      return instance.name === 'orders-1' ? { ...part, sha256: '0'.repeat(64) } : part;
    };
    const backup = await backedUp(cluster);
    grove.machines.engine.backUp = backUp;
    expect(backup).toMatchObject({ status: 'FAILED', operation: { error: { code: 'BACKUP_PART_DAMAGED' } } });
    expect(await store().list(cluster.clusterId)).toEqual([]);
  });

  test('fails at once where an instance of a DEGRADED cluster does not serve', async () => {
    const cluster = await orders();
    const ill = await grove.deps.db.instance.findFirstOrThrow({
      where: { ...cluster, actor: undefined, name: 'orders-2' } as object,
    });
    await grove.machines.observe(ill.id, { role: 'REPLICA', serving: false, reason: 'It is broken.' });
    await settleCluster(grove.deps, cluster.clusterId);
    const backup = await backedUp(cluster);
    expect(backup.operation.error).toMatchObject({
      code: 'INSTANCE_NOT_SERVING',
      message: expect.stringContaining('orders-2 cannot be backed up, since it is DOWN: It is broken. A backup has'),
    });
    expect(backup.status).toBe('FAILED');
  });

  test('that is cancelled keeps nothing; what an agent stores afterwards is swept away', async () => {
    const cluster = await orders();
    const { operationId } = await accept(
      grove.deps,
      cluster.actor,
      backupCluster,
      { clusterId: cluster.clusterId },
      options,
    );
    await during('back up orders-1', async () => {
      await cancelOperation(grove.deps, cluster.actor, { operationId });
    });
    await runOperation(grove.deps, operationId, never);
    undisturbed();
    const backup = await backupOf(operationId);
    expect(backup).toMatchObject({ status: 'FAILED', operation: { status: 'CANCELLED' } });
    expect(await statusesOf(cluster.clusterId)).toEqual(['ACTIVE', 'ACTIVE']);
    const late = `${cluster.clusterId}/${backup.id}/late.tar.zst`;
    const removedAsLate = async () => {
      await store().write(late, Readable.from([Buffer.from('late')]));
      await failedBackups(grove.deps).round();
      expect(await store().list(cluster.clusterId)).toEqual([]);
    };
    await removedAsLate();
    const input = { clusterId: cluster.clusterId, backupId: backup.id };
    const deletion = await accept(grove.deps, cluster.actor, deleteBackup, input, options);
    await runOperation(grove.deps, deletion.operationId, never);
    expect(await backupOf(operationId)).toMatchObject({ status: 'DELETED' });
    await removedAsLate();
  });

  test('goes on in another worker where one died, and copies nothing twice that was done', async () => {
    const cluster = await orders();
    const { operationId } = await accept(
      grove.deps,
      cluster.actor,
      backupCluster,
      { clusterId: cluster.clusterId },
      options,
    );
    const dying = new AbortController();
    await during('back up orders-2', async () => {
      dying.abort();
      await new Promise(() => {});
    });
    await expect(runOperation(grove.deps, operationId, dying.signal)).rejects.toThrow('stopping');
    undisturbed();
    await runOperation(grove.deps, operationId, never);
    expect(await backupOf(operationId)).toMatchObject({ status: 'COMPLETED' });
  });
});

describe('restoreCluster', () => {
  test('makes as many instances as the backup has parts, led by the furthest', async () => {
    const cluster = await orders();
    const backup = await backedUp(cluster);
    const operation = await restored(cluster.actor, backup.id);
    expect(operation).toMatchObject({ status: 'SUCCEEDED', cluster: { status: 'ACTIVE', restoredFromId: backup.id } });
    const calls = grove.machines.calls.slice(-6);
    expect(calls).toEqual(expect.arrayContaining(['restore again-1', 'restore again-2', 'follow again-2', 'verify']));
    expect(calls.indexOf('lead again-1')).toBeLessThan(calls.indexOf('follow again-2'));
    expect(await statusesOf(operation.clusterId)).toEqual(['ACTIVE', 'ACTIVE']);
  });

  test('is refused as its preview says', async () => {
    const cluster = await orders();
    const { actor } = cluster;
    const backup = await backedUp(cluster);
    const restore = (input: object) =>
      accept(grove.deps, actor, restoreCluster, { backupId: backup.id, name: 'again', ...input }, options);
    await expect(restore({ instanceCount: 3 })).rejects.toMatchObject({
      code: 'RESTORE_SIZE_MISMATCH',
      backupSize: 2,
      requestedSize: 3,
    });
    await expect(restore({ engineVersion: '1' })).rejects.toMatchObject({ code: 'BACKUP_NOT_RESTORABLE' });
    await expect(restore({ name: 'orders' })).rejects.toMatchObject({ code: 'NAME_TAKEN' });
    await expect(restore({ backupId: crypto.randomUUID() })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const stranger = await grove.createActor();
    await expect(
      accept(grove.deps, stranger, restoreCluster, { backupId: backup.id, name: 'mine' }, options),
    ).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await grove.deps.db.backup.update({ where: { id: backup.id }, data: { engineVersion: '1' } });
    const preview = await previewRestore(grove.deps, { id: backup.id, projectId: actor.projectId });
    expect(preview?.blockers).toMatchObject([{ code: 'ENGINE_UNAVAILABLE' }]);
    await expect(restore({})).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
    expect(await grove.deps.db.cluster.count({ where: { projectId: actor.projectId } })).toBe(1);
  });

  test.each(['BACKUP_PART_MISSING', 'BACKUP_PART_DAMAGED'])(
    'takes back all that it made where it finds a part %s',
    async (code) => {
      const cluster = await orders();
      const backup = await backedUp(cluster, { name: 'nightly' });
      await during('restore again-2', async () => {
        throw new StepFailure(code, 'The part of orders-2 is no good.');
      });
      const operation = await restored(cluster.actor, backup.id);
      undisturbed();
      const message =
        'Backup "nightly" cannot be restored. The part of orders-2 is no good. Restore another backup of the cluster, or take a new one.';
      expect(operation).toMatchObject({ status: 'FAILED', error: { code, message }, cluster: { status: 'DELETED' } });
      expect(await statusesOf(operation.clusterId)).toEqual(['REMOVED', 'REMOVED']);
      expect(grove.machines.calls.slice(-3)).toEqual(
        expect.arrayContaining(['destroy again-1', 'destroy again-2', 'destroy network']),
      );
      const retry = retryOperation(grove.deps, cluster.actor, { operationId: operation.id });
      await expect(retry).rejects.toMatchObject({ code: 'OPERATION_NOT_RETRYABLE' });
    },
  );

  test.each([
    ['missing', 'BACKUP_PART_MISSING', 'INCOMPLETE_BACKUP', (key: string) => store().removeAll(key)],
    ['damaged', 'BACKUP_PART_DAMAGED', 'BACKUP_NOT_RESTORABLE', (key: string) => put(key, 'x'.repeat(20))],
  ])('names every part that is %s, and is refused for as long as they are', async (_what, code, refusal, spoil) => {
    const cluster = await orders({ instanceCount: 3 });
    const { actor } = cluster;
    const backup = await backedUp(cluster, { name: 'nightly' });
    const files = await filesOf(backup);
    for (const { key } of files.slice(1)) await spoil(key);
    if (code === 'BACKUP_PART_DAMAGED') {
      await during('restore again-2', async () => {
        throw new StepFailure(code, 'The part of orders-2 is no good.');
      });
    }
    expect(await restored(actor, backup.id)).toMatchObject({
      status: 'FAILED',
      error: {
        code,
        message: expect.stringMatching(/^Backup "nightly" .*orders-2 .*orders-3 .*Restore another backup/),
      },
    });
    undisturbed();
    const fault = code === 'BACKUP_PART_MISSING' ? 'MISSING' : 'DAMAGED';
    expect((await backupOf(backup.operationId)).parts).toMatchObject([{ fault: null }, { fault }, { fault }]);
    const restore = () => accept(grove.deps, actor, restoreCluster, { backupId: backup.id, name: 'again' }, options);
    await expect(restore()).rejects.toMatchObject({
      code: refusal,
      message: expect.stringMatching(/^Backup "nightly" .*orders-2, orders-3 are .* Restore another backup/),
    });
    const preview = () => previewRestore(grove.deps, { id: backup.id, projectId: actor.projectId });
    expect((await preview())?.blockers).toMatchObject([{ code: refusal }]);
    await verified(actor, backup.id, { status: 'FAILED', error: { code } });
    for (const { key, content } of files) await put(key, content);
    if (code === 'BACKUP_PART_MISSING') expect((await preview())?.blockers).toEqual([]);
    else await verified(actor, backup.id, { status: 'SUCCEEDED' });
    expect(await restored(actor, backup.id)).toMatchObject({ status: 'SUCCEEDED' });
    expect((await backupOf(backup.operationId)).parts).toMatchObject([
      { fault: null },
      { fault: null },
      { fault: null },
    ]);
  });

  test('is previewed by its quota too', async () => {
    const cluster = await orders();
    const { projectId } = cluster.actor;
    const backup = await backedUp(cluster);
    await grove.deps.db.project.update({ where: { id: projectId }, data: { quotaInstances: 3 } });
    const preview = await previewRestore(grove.deps, { id: backup.id, projectId });
    expect(preview?.blockers).toMatchObject([{ code: 'QUOTA_EXCEEDED', resource: 'INSTANCES', used: 2, requested: 2 }]);
    const request = { backupId: backup.id, name: 'again' };
    const refused = accept(grove.deps, cluster.actor, restoreCluster, request, options);
    await expect(refused).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED', resource: 'INSTANCES' });
  });

  test('that fails otherwise can be tried again', async () => {
    const cluster = await orders();
    const backup = await backedUp(cluster);
    await during('lead again-1', async () => {
      throw new StepFailure('DISK_FULL', 'The disk of again-1 is full.');
    });
    const failed = await restored(cluster.actor, backup.id);
    undisturbed();
    expect(failed).toMatchObject({ status: 'FAILED', cluster: { status: 'ERROR' } });
    await retryOperation(grove.deps, cluster.actor, { operationId: failed.id });
    await runOperation(grove.deps, failed.id, never);
    expect(await grove.deps.db.cluster.findUnique({ where: { id: failed.clusterId } })).toMatchObject({
      status: 'ACTIVE',
    });
  });
});

describe('deleteBackup', () => {
  const remove = ({ actor, clusterId }: Orders, backupId: string) =>
    accept(grove.deps, actor, deleteBackup, { clusterId, backupId }, options);

  test('removes the files and keeps the record, also when the cluster is gone; its name is free again', async () => {
    const cluster = await orders();
    const [kept, gone] = [await backedUp(cluster, { name: 'kept' }), await backedUp(cluster, { name: 'gone' })];
    const { operationId } = await remove(cluster, gone.id);
    await runOperation(grove.deps, operationId, never);
    expect(await backupOf(gone.operationId)).toMatchObject({
      status: 'DELETED',
      parts: [{ location: null }, { location: null }],
    });
    expect((await store().list(cluster.clusterId)).every(({ key }) => key.includes(kept.id))).toBe(true);
    expect(await backedUp(cluster, { name: 'gone' })).toMatchObject({ status: 'COMPLETED' });
    await expect(remove(cluster, gone.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const deletion = await accept(grove.deps, cluster.actor, deleteCluster, { clusterId: cluster.clusterId }, options);
    await runOperation(grove.deps, deletion.operationId, never);
    const { deletedAt } = await grove.deps.db.cluster.findUniqueOrThrow({ where: { id: cluster.clusterId } });
    const last = await remove(cluster, kept.id);
    await runOperation(grove.deps, last.operationId, never);
    expect(await backupOf(kept.operationId)).toMatchObject({ status: 'DELETED' });
    expect(await grove.deps.db.cluster.findUnique({ where: { id: cluster.clusterId } })).toMatchObject({
      status: 'DELETED',
      deletedAt,
    });
  });

  test('gives back what the backup takes of the quota, which is nothing where it failed', async () => {
    const cluster = await orders();
    const { actor, clusterId } = cluster;
    const used = async () =>
      (await projectQuota(grove.deps, grove.deps.db, actor.projectId)).find(({ resource }) => resource === 'BACKUPS')
        ?.used;
    const backup = await backedUp(cluster);
    await during('back up orders-2', () => Promise.reject(new StepFailure('BACKUP_FAILED', 'The disk is full.')));
    const failed = await backedUp(cluster);
    undisturbed();
    const changeBy = async (backupId: string) =>
      (await planOperation(grove.deps, actor, deleteBackup, { clusterId, backupId }, options)).quota;
    expect(await changeBy(backup.id)).toMatchObject([{ resource: 'BACKUPS', used: 1, change: -1 }]);
    expect(await changeBy(failed.id)).toEqual([]);
    const { operationId } = await remove(cluster, failed.id);
    expect(await used()).toBe(1);
    await runOperation(grove.deps, operationId, never);
    await runOperation(grove.deps, (await remove(cluster, backup.id)).operationId, never);
    expect(await used()).toBe(0);
  });

  test('is refused while the backup is restored, and a restore while it is removed', async () => {
    const cluster = await orders();
    const backup = await backedUp(cluster);
    const { operationId } = await accept(
      grove.deps,
      cluster.actor,
      restoreCluster,
      { backupId: backup.id, name: 'again' },
      options,
    );
    await expect(remove(cluster, backup.id)).rejects.toMatchObject({ code: 'BACKUP_IN_USE', operationId });
    await runOperation(grove.deps, operationId, never);
    await remove(cluster, backup.id);
    const late = accept(grove.deps, cluster.actor, restoreCluster, { backupId: backup.id, name: 'late' }, options);
    await expect(late).rejects.toMatchObject({ code: 'BACKUP_NOT_RESTORABLE' });
  });

  test('one of twenty that race with as many restores wins, or all the restores do', async () => {
    const cluster = await orders();
    const backup = await backedUp(cluster);
    const attempts = Array.from({ length: 20 }, (_, index) =>
      index % 2 === 0
        ? remove(cluster, backup.id)
        : accept(grove.deps, cluster.actor, restoreCluster, { backupId: backup.id, name: `r${index}` }, options),
    );
    const settled = await Promise.allSettled(attempts);
    const won = (parity: number) =>
      settled.filter(({ status }, index) => index % 2 === parity && status === 'fulfilled').length;
    expect(won(0) === 0 || won(1) === 0).toBe(true);
    expect(won(0) + won(1)).toBeGreaterThan(0);
    expect(won(0)).toBeLessThanOrEqual(1);
  });
});

describe('verifyBackup', () => {
  test('restores into a cluster that is gone afterwards, and records when', async () => {
    const cluster = await orders();
    const backup = await backedUp(cluster);
    const { operationId, clusterId } = await accept(
      grove.deps,
      cluster.actor,
      verifyBackup,
      { backupId: backup.id },
      options,
    );
    await runOperation(grove.deps, operationId, never);
    const verified = await backupOf(backup.operationId);
    expect(verified.lastVerifiedAt).not.toBe(null);
    expect(await grove.deps.db.cluster.findUnique({ where: { id: clusterId } })).toMatchObject({ status: 'DELETED' });
    expect(await statusesOf(clusterId)).toEqual(['REMOVED', 'REMOVED']);
    expect(await events(cluster.clusterId, 'BACKUP_VERIFIED')).toHaveLength(1);
  });

  test('tells once that a backup is good, though its worker loses the store as it records the end of that step', async () => {
    const cluster = await orders();
    const backup = await backedUp(cluster);
    const { db } = grove.deps;
    const { operationId } = await accept(grove.deps, cluster.actor, verifyBackup, { backupId: backup.id }, options);
    await db.$executeRaw`
      CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END'`;
    await db.$executeRaw`
      CREATE TRIGGER die BEFORE UPDATE ON operation_step FOR EACH ROW
      WHEN (NEW.key = 'record' AND NEW.status = 'SUCCEEDED' AND NEW.attempt = 1) EXECUTE FUNCTION die()`;
    await runOperation(grove.deps, operationId, never);
    const { status, steps } = await db.operation.findUniqueOrThrow({
      where: { id: operationId },
      include: { steps: { where: { key: 'record' } } },
    });
    expect([status, steps[0]?.attempt]).toEqual(['SUCCEEDED', 2]);
    expect(await events(cluster.clusterId, 'BACKUP_VERIFIED')).toHaveLength(1);
  });

  test('that fails leaves no cluster, and no date', async () => {
    const cluster = await orders();
    const backup = await backedUp(cluster);
    await during('verify', async () => {
      throw new StepFailure('PROBE_TIMEOUT', 'No row arrived.');
    });
    const { operationId, clusterId } = await accept(
      grove.deps,
      cluster.actor,
      verifyBackup,
      { backupId: backup.id },
      options,
    );
    await runOperation(grove.deps, operationId, never);
    undisturbed();
    expect((await backupOf(backup.operationId)).lastVerifiedAt).toBe(null);
    expect(await grove.deps.db.cluster.findUnique({ where: { id: clusterId } })).toMatchObject({ status: 'DELETED' });
    expect(await statusesOf(clusterId)).toEqual(['REMOVED', 'REMOVED']);
  });
});

describe('a backup policy', () => {
  const policy = { schedule: '30 2 * * *', keepCount: 2, verify: true };

  test('is what createCluster and updateCluster say, and can be taken back', async () => {
    const cluster = await orders({ backupPolicy: policy });
    const stored = () => grove.deps.db.cluster.findUniqueOrThrow({ where: { id: cluster.clusterId } });
    expect((await stored()).backupPolicy).toEqual({ ...policy, keepDays: null });
    const change = (backupPolicy: object) =>
      accept(grove.deps, cluster.actor, updateCluster, { clusterId: cluster.clusterId, backupPolicy }, options);
    await change({ schedule: '0 * * * *' });
    expect((await stored()).backupPolicy).toEqual({
      schedule: '0 * * * *',
      keepCount: null,
      keepDays: null,
      verify: false,
    });
    for (const schedule of ['nonsense', '* * * * * *', '0 0 31 2 *', '@daily', '99 * * * *']) {
      await expect(change({ schedule })).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        fields: [{ path: 'backupPolicy.schedule' }],
      });
    }
    await expect(change({ keepCount: 3 })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await change({});
    expect((await stored()).backupPolicy).toBe(null);
  });

  test('goes through the same door as a person; a busy cluster is tried again, then missed visibly', async () => {
    const cluster = await orders({ backupPolicy: policy });
    const take = (jobId: string, last: boolean) => takeScheduledBackup(grove.deps, cluster.clusterId, { jobId, last });
    await take('one', false);
    await take('one', false);
    const backups = await grove.deps.db.backup.findMany({ where: { clusterId: cluster.clusterId } });
    expect(backups).toMatchObject([{ scheduled: true, requestedBy: { kind: 'SYSTEM', name: 'backup schedule' } }]);
    await expect(take('two', false)).rejects.toMatchObject({ code: 'CLUSTER_BUSY' });
    expect(await events(cluster.clusterId, 'BACKUP_MISSED')).toEqual([]);
    await take('two', true);
    expect(await events(cluster.clusterId, 'BACKUP_MISSED')).toMatchObject([
      { payload: { cluster: 'orders', reason: expect.stringContaining('BACKUP_CLUSTER') } },
    ]);
    await runOperation(grove.deps, assertPresent(backups[0], 'a backup').operationId, never);
  });

  test('keeps so many, verifies the newest, and is scheduled as long as it is there', async () => {
    const cluster = await orders({ backupPolicy: policy });
    const manual = await backedUp(cluster, { name: 'mine' });
    for (const jobId of ['a', 'b', 'c', 'd']) {
      await takeScheduledBackup(grove.deps, cluster.clusterId, { jobId, last: true });
      await runAll(cluster.clusterId);
    }
    const monitor = backupPolicies(grove.deps);
    for (let round = 0; round < 4; round += 1) {
      await monitor.round();
      await runAll(cluster.clusterId);
      for (const { id } of await grove.deps.db.cluster.findMany({ where: { name: { startsWith: 'verify-' } } }))
        await runAll(id);
    }
    const left = await grove.deps.db.backup.findMany({
      where: { clusterId: cluster.clusterId, status: 'COMPLETED' },
      orderBy: { createdAt: 'asc' },
    });
    expect(left.map(({ scheduled }) => scheduled)).toEqual([false, true, true]);
    expect(left[0]?.id).toBe(manual.id);
    expect(left.map(({ lastVerifiedAt }) => lastVerifiedAt !== null)).toEqual([false, false, true]);
    const schedules = () => grove.deps.db.$queryRaw`SELECT cron FROM pgboss.schedule WHERE key = ${cluster.clusterId}`;
    expect(await schedules()).toEqual([{ cron: policy.schedule }]);
    const deletion = await accept(grove.deps, cluster.actor, deleteCluster, { clusterId: cluster.clusterId }, options);
    await runOperation(grove.deps, deletion.operationId, never);
    await monitor.round();
    expect(await schedules()).toEqual([]);
    expect(await grove.deps.db.backup.count({ where: { clusterId: cluster.clusterId, status: 'COMPLETED' } })).toBe(3);
  });

  async function runAll(clusterId: string): Promise<void> {
    const unfinished = await grove.deps.db.operation.findMany({ where: { clusterId, finishedAt: null } });
    for (const { id } of unfinished) await runOperation(grove.deps, id, never);
  }
});
