import type { ApiClient, Shape } from '../support/apiClient.ts';
import {
  changedBackup,
  readBackup,
  requestBackup,
  requestBackupChange,
  requestRestore,
  takenBackup,
} from '../support/backupCalls.ts';
import { createdCluster, deletedCluster, loggedEvents, readCluster } from '../support/clusterCalls.ts';
import { keepRow, keptFaults } from './keptRows.ts';
import { ensureCluster, instanceNames, name } from './preparation.ts';
import { type Asked, differences, type Scenario } from './scenario.ts';

/** A backup's clusters are smaller than others: a restore has each instance twice, and the same steps for each replica. */
const instanceCount = 2;

async function backupsOf(client: ApiClient): Promise<string[]> {
  const { backups } = await client.data('{ backups(first: 100) { nodes { id } } }');
  return backups.nodes.map(({ id }: Shape) => id);
}

async function removeBackups(client: ApiClient): Promise<void> {
  for (const id of await backupsOf(client)) {
    const end = await changedBackup(client, 'deleteBackup', id);
    if (end.status !== 'SUCCEEDED') throw new Error(`The deletion of a backup ended with ${JSON.stringify(end)}`);
  }
}

/** The only backup that there is; its cluster is deleted by now, and had a row that each part must have. */
export let stored = { backupId: '', row: '' };

export async function ensureStored(client: ApiClient, left: string | null): Promise<null> {
  if (left !== null) await deletedCluster(client, left);
  if ((await backupsOf(client)).includes(stored.backupId)) return null;
  const clusterId = await createdCluster(client, { name, instanceCount });
  const row = await keepRow(client, clusterId);
  const { id: backupId } = await takenBackup(client, { clusterId });
  await deletedCluster(client, clusterId);
  stored = { backupId, row };
  return null;
}

/** What is wrong with a backup that must be whole. */
async function backupFaults(client: ApiClient, backupId: string, count: number): Promise<string[]> {
  const { status, statusReason, parts } = await readBackup(client, backupId);
  const seen = parts.map((part: Shape) => [part.status, part.fault, part.error]);
  return [
    ...differences('the backup', [status, statusReason], ['COMPLETED', null]),
    ...differences(
      'its parts',
      seen,
      Array.from({ length: count }, () => ['COMPLETED', null, null]),
    ),
  ];
}

function accepted(answer: Shape): Shape {
  if (!answer.operation || answer.code) throw new Error(`It was refused: ${JSON.stringify(answer)}`);
  return answer;
}

export const backupCluster: Scenario = {
  kind: 'BACKUP_CLUSTER',
  async prepare(client, left) {
    await removeBackups(client);
    return await ensureCluster(client, left);
  },
  async ask(client, clusterId) {
    const { backup, operation } = accepted(await requestBackup(client, { clusterId }));
    return { clusterId: clusterId ?? '', operationId: operation.id, backupId: backup.id };
  },
  // "An instance that stops serving for 10 s ends the backup" (docs/backups.md), and one that does not serve cannot be copied.
  mayFail: { INSTANCE_LOST: 'ASK_AGAIN', INSTANCE_NOT_SERVING: 'ASK_AGAIN' },
  faults: (client, { backupId = '' }) => backupFaults(client, backupId, 3),
  leavesCluster: true,
};

export const restoreCluster: Scenario = {
  kind: 'RESTORE_CLUSTER',
  prepare: ensureStored,
  async ask(client) {
    const { backupId } = stored;
    const accessRules = [{ cidr: '127.0.0.0/8' }];
    const { cluster, operation } = accepted(await requestRestore(client, { backupId, name: 'restored', accessRules }));
    return { clusterId: cluster.id, operationId: operation.id, backupId };
  },
  async faults(client, { clusterId, backupId = '' }) {
    return [
      ...differences('instances', (await instanceNames(client, clusterId)).toSorted(), ['restored-1', 'restored-2']),
      ...(await keptFaults(client, clusterId, stored.row)),
      ...(await backupFaults(client, backupId, instanceCount)),
    ];
  },
  leavesCluster: true,
};

let verifiedBefore: { at: string | null; times: number } = { at: null, times: 0 };

const timesVerified = async (client: ApiClient): Promise<number> =>
  (await loggedEvents(client, null)).filter(({ type }) => type === 'BACKUP_VERIFIED').length;

export const verifyBackup: Scenario = {
  kind: 'VERIFY_BACKUP',
  async prepare(client, left) {
    await ensureStored(client, left);
    const { lastVerifiedAt } = await readBackup(client, stored.backupId);
    verifiedBefore = { at: lastVerifiedAt, times: await timesVerified(client) };
    return null;
  },
  ask: (client) => changeOfBackup(client, 'verifyBackup', stored.backupId),
  async faults(client, { clusterId, backupId = '' }) {
    const { lastVerifiedAt } = await readBackup(client, backupId);
    const isNewer = lastVerifiedAt !== null && lastVerifiedAt !== verifiedBefore.at;
    return [
      ...(isNewer ? [] : [`It was last verified at ${lastVerifiedAt}, and before that at ${verifiedBefore.at}`]),
      ...differences('times verified', await timesVerified(client), verifiedBefore.times + 1),
      ...differences('the cluster made for it', (await readCluster(client, clusterId)).status, 'DELETED'),
      ...(await backupFaults(client, backupId, instanceCount)),
    ];
  },
  leavesCluster: false,
};

let unwanted = '';

export const deleteBackup: Scenario = {
  kind: 'DELETE_BACKUP',
  async prepare(client, left) {
    const clusterId = await ensureCluster(client, left, 1);
    unwanted = (await takenBackup(client, { clusterId })).id;
    return clusterId;
  },
  ask: (client) => changeOfBackup(client, 'deleteBackup', unwanted),
  async faults(client, { backupId = '' }) {
    return [
      ...differences('the backup', (await readBackup(client, backupId)).status, 'DELETED'),
      ...differences('the list of backups', await backupsOf(client), []),
    ];
  },
  leavesCluster: true,
};

export async function changeOfBackup(client: ApiClient, mutation: string, backupId: string): Promise<Asked> {
  const { operation } = accepted(await requestBackupChange(client, mutation, backupId));
  return { clusterId: operation.cluster.id, operationId: operation.id, backupId };
}
