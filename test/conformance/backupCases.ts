import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Shape } from '../support/apiClient.ts';
import {
  changedBackup,
  previewOf,
  readBackup,
  requestBackup,
  requestRestore,
  takenBackup,
} from '../support/backupCalls.ts';
import {
  createdCluster,
  cursorNow,
  deletedCluster,
  loggedEvents,
  operationEnd,
  readCluster,
  revealedCredentials,
  uuidOf,
} from '../support/clusterCalls.ts';
import type { GroveHome } from '../support/groveProcess.ts';
import { processesOf } from '../support/processTree.ts';
import { requestRestart } from '../support/topologyCalls.ts';
import type { Scene } from './scene.ts';
import { losingNothing } from './whileWriting.ts';

const patience = { timeout: 20_000, interval: 20 };

/** C10, C11, N06 and a part of N04 of docs/lifecycle.md: what a backup holds, and what cannot be restored. */
export function backupCases(scene: Scene): void {
  const { engine, home, grove } = scene;
  const wanted = { engine: engine.engine, engineVersion: engine.version };

  test('C10, C11 a backup while a writer runs; restored, its data are on every instance, and the original is untouched', {
    timeout: 240_000,
  }, async () => {
    const { client } = grove();
    const clusterId = await createdCluster(client, { ...wanted, name: 'ledger', instanceCount: 3 });
    const login = await revealedCredentials(client, clusterId);
    const { instances } = await readCluster(client, clusterId);
    const cursor = await cursorNow(client);
    let backup: Shape;
    let written = 0;
    const { acknowledged, longestGapMs } = await losingNothing(scene, clusterId, async (writer) => {
      await expect.poll(() => writer.count(), patience).toBeGreaterThan(100);
      written = writer.count();
      const taking = takenBackup(client, { clusterId, name: 'nightly' });
      await expect.poll(async () => (await readCluster(client, clusterId)).status, patience).toBe('BUSY');
      expect(await requestRestart(client, { clusterId })).toMatchObject({
        __typename: 'ClusterBusyError',
        operation: { kind: 'BACKUP_CLUSTER' },
      });
      backup = await taking;
      expect(writer.count() - written).toBeGreaterThan(10);
    });
    expect(longestGapMs).toBeLessThan(2000);
    expect(backup).toMatchObject({ status: 'COMPLETED', name: 'nightly', instanceCount: 3, scheduled: false });
    expect(backup.parts.map((part: Shape) => [part.instanceName, part.status, part.error, part.fault])).toEqual(
      [1, 2, 3].map((number) => [`ledger-${number}`, 'COMPLETED', null, null]),
    );
    const folder = join(home().directory, 'backups', uuidOf(clusterId), uuidOf(backup.id));
    expect(readdirSync(folder)).toHaveLength(3);
    const events = await loggedEvents(client, cursor);
    for (const { name } of instances.nodes) {
      const told = events.filter(
        ({ payload, type }) => payload.instance === name && type === 'INSTANCE_STATUS_CHANGED',
      );
      expect(told.map(({ toStatus }) => toStatus)).toEqual(['BACKING_UP', 'ACTIVE']);
    }
    const states = events.filter(({ type }) => type === 'BACKUP_STATUS_CHANGED').map(({ toStatus }) => toStatus);
    expect(states).toEqual(['PENDING', 'RUNNING', 'COMPLETED']);

    expect(await previewOf(client, backup.id)).toMatchObject({ restorable: true, instanceCount: 3, blockers: [] });
    const before = await readCluster(client, clusterId);
    const restoring = await requestRestore(client, { backupId: backup.id, name: 'ledger-again', instanceCount: 3 });
    expect(await operationEnd(client, restoring.operation.id)).toMatchObject({ status: 'SUCCEEDED' });
    const restored = await readCluster(client, restoring.cluster.id);
    expect(restored).toMatchObject({ status: 'ACTIVE' });
    const own = await revealedCredentials(client, restoring.cluster.id);
    expect(own.password).not.toBe(login.password);
    for (const { address: host, port } of restored.instances.nodes) {
      expect(await engine.lost({ host, port }, own, acknowledged.slice(0, written))).toEqual([]);
      await expect(engine.lost({ host, port }, login, [])).rejects.toThrow('authentication failed');
    }
    const after = await readCluster(client, clusterId);
    const lasting = ({ status, version, instances: { nodes } }: Shape) => [
      status,
      version,
      nodes.map(({ name, role, status: of, address }: Shape) => [name, role, of, address]),
    ];
    expect(lasting(after)).toEqual(lasting(before));
    for (const { address: host, port } of after.instances.nodes) {
      expect(await engine.lost({ host, port }, login, acknowledged)).toEqual([]);
    }
    await deletedCluster(client, restoring.cluster.id);

    expect(await changedBackup(client, 'verifyBackup', backup.id)).toMatchObject({ status: 'SUCCEEDED' });
    expect((await readBackup(client, backup.id)).lastVerifiedAt).not.toBe(null);
    const { clusters } = await client.data('{ clusters { nodes { name } } }');
    expect(clusters.nodes.filter(({ name }: Shape) => name.startsWith('verify-'))).toEqual([]);

    await deletedCluster(client, clusterId);
    expect(await previewOf(client, backup.id)).toMatchObject({ restorable: true });
    expect(await changedBackup(client, 'deleteBackup', backup.id)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await readBackup(client, backup.id)).toMatchObject({ status: 'DELETED' });
    expect(existsSync(folder)).toBe(false);
    expect(await previewOf(client, backup.id)).toMatchObject({ restorable: false });
  });

  test('N06 wrong size, another version, a missing or a damaged part: refused, nothing left behind', {
    timeout: 120_000,
  }, async () => {
    const { client } = grove();
    const clusterId = scene.neighbourId();
    await losingNothing(scene, clusterId, async () => {
      const first = await takenBackup(client, { clusterId, name: 'first' });
      const second = await takenBackup(client, { clusterId, name: 'second' });
      expect(await requestBackup(client, { clusterId, name: 'second' })).toMatchObject({ code: 'BACKUP_NAME_TAKEN' });
      const before = traces(home());
      const name = 'refused';
      expect(await requestRestore(client, { backupId: first.id, name, instanceCount: 2 })).toMatchObject({
        code: 'RESTORE_SIZE_MISMATCH',
        backupSize: 1,
        requestedSize: 2,
      });
      expect(await requestRestore(client, { backupId: first.id, name, engineVersion: '9' })).toMatchObject({
        code: 'BACKUP_NOT_RESTORABLE',
      });
      const [damagedFile, missingFile] = [first, second].map(({ id }) => {
        const folder = join(home().directory, 'backups', uuidOf(clusterId), uuidOf(id));
        return join(folder, readdirSync(folder)[0] ?? '');
      }) as [string, string];
      const content = readFileSync(damagedFile);
      const middle = Math.floor(content.length / 2);
      content.writeUInt8(content.readUInt8(middle) ^ 0xff, middle);
      writeFileSync(damagedFile, content);
      rmSync(missingFile);
      for (const [backup, code, refusal] of [
        [first, 'BACKUP_PART_DAMAGED', 'BACKUP_NOT_RESTORABLE'],
        [second, 'BACKUP_PART_MISSING', 'INCOMPLETE_BACKUP'],
      ] as const) {
        const { cluster, operation } = await requestRestore(client, { backupId: backup.id, name });
        expect(await operationEnd(client, operation.id)).toMatchObject({ status: 'FAILED', error: { code } });
        expect(await readCluster(client, cluster.id)).toMatchObject({ status: 'DELETED' });
        expect(await requestRestore(client, { backupId: backup.id, name })).toMatchObject({ code: refusal });
        expect((await previewOf(client, backup.id)).blockers).toMatchObject([{ code: refusal }]);
      }
      expect(traces(home())).toEqual(before);
      for (const { id } of [first, second]) await changedBackup(client, 'deleteBackup', id);
      expect(readdirSync(join(home().directory, 'backups'))).toEqual([]);
    });
  });
}

/** All that a restore would add to on its host. */
function traces({ directory }: GroveHome): unknown {
  const listed = (name: string) => (existsSync(join(directory, name)) ? readdirSync(join(directory, name)).sort() : []);
  const clusters = join(directory, 'clusters');
  return {
    files: ['clusters', 'networks', 'ports'].map(listed),
    hosts: readFileSync(join(directory, 'hosts'), 'utf8'),
    processes: processesOf(clusters)
      .filter(({ command }) => command.some((word) => word.includes(clusters)))
      .map(({ pid }) => pid)
      .sort(),
  };
}
