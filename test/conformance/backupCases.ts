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
import type { GroveHome, GroveProcess } from '../support/groveProcess.ts';
import { processesOf } from '../support/processTree.ts';
import { lostWrites, startRecordingWriter } from '../support/recordingWriter.ts';
import { requestRestart } from '../support/topologyCalls.ts';

type Place = { home: GroveHome; grove: GroveProcess; wanted: { engine: string; engineVersion: string } };

const patience = { timeout: 20_000, interval: 20 };

/** C10, C11, N06 and a part of N04 of docs/lifecycle.md: what a backup holds, and what cannot be restored. */
export function backupCases(place: () => Place): void {
  test('C10, C11 a backup while a writer runs; restored, its data are on every instance, and the original is untouched', {
    timeout: 240_000,
  }, async () => {
    const { grove, home, wanted } = place();
    const { client } = grove;
    const clusterId = await createdCluster(client, { ...wanted, name: 'ledger', instanceCount: 3 });
    const { username: user, password, database } = await revealedCredentials(client, clusterId);
    const { instances } = await readCluster(client, clusterId);
    const targets = instances.nodes.map(({ address: host, port }: Shape) => ({ host, port }));
    const writer = await startRecordingWriter({ user, password, database, targets });
    await expect.poll(() => writer.count(), patience).toBeGreaterThan(100);
    const cursor = await cursorNow(client);
    const written = writer.count();

    const taking = takenBackup(client, { clusterId, name: 'nightly' });
    await expect.poll(async () => (await readCluster(client, clusterId)).status, patience).toBe('BUSY');
    expect(await requestRestart(client, { clusterId })).toMatchObject({
      __typename: 'ClusterBusyError',
      operation: { kind: 'BACKUP_CLUSTER' },
    });
    const backup = await taking;
    const during = writer.count() - written;
    const { acknowledged, longestGapMs } = await writer.stop();
    expect(during).toBeGreaterThan(10);
    expect(longestGapMs).toBeLessThan(2000);
    expect(backup).toMatchObject({ status: 'COMPLETED', name: 'nightly', instanceCount: 3, scheduled: false });
    expect(backup.parts.map((part: Shape) => [part.instanceName, part.status, part.error, part.fault])).toEqual(
      [1, 2, 3].map((number) => [`ledger-${number}`, 'COMPLETED', null, null]),
    );
    const folder = join(home.directory, 'backups', uuidOf(clusterId), uuidOf(backup.id));
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
    const login = await revealedCredentials(client, restoring.cluster.id);
    expect(login.password).not.toBe(password);
    for (const { address: host, port } of restored.instances.nodes) {
      const own = { user, database, password: login.password };
      expect(await lostWrites({ host, port }, own, acknowledged.slice(0, written))).toEqual([]);
      await expect(lostWrites({ host, port }, { user, database, password }, [])).rejects.toThrow(
        'authentication failed',
      );
    }
    const after = await readCluster(client, clusterId);
    const lasting = ({ status, version, instances: { nodes } }: Shape) => [
      status,
      version,
      nodes.map(({ name, role, status: of, address }: Shape) => [name, role, of, address]),
    ];
    expect(lasting(after)).toEqual(lasting(before));
    for (const target of targets)
      expect(await lostWrites(target, { user, password, database }, acknowledged)).toEqual([]);
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
    const { grove, home, wanted } = place();
    const { client } = grove;
    const clusterId = await createdCluster(client, { ...wanted, name: 'source', instanceCount: 1 });
    const first = await takenBackup(client, { clusterId, name: 'first' });
    const second = await takenBackup(client, { clusterId, name: 'second' });
    expect(await requestBackup(client, { clusterId, name: 'second' })).toMatchObject({ code: 'BACKUP_NAME_TAKEN' });
    const before = traces(home);
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
      const folder = join(home.directory, 'backups', uuidOf(clusterId), uuidOf(id));
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
    expect(traces(home)).toEqual(before);
    await deletedCluster(client, clusterId);
    for (const { id } of [first, second]) await changedBackup(client, 'deleteBackup', id);
    expect(readdirSync(join(home.directory, 'backups'))).toEqual([]);
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
