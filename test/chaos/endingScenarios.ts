import { readdirSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ApiClient, Shape } from '../support/apiClient.ts';
import { changedBackup, readBackup } from '../support/backupCalls.ts';
import {
  cancelOperation,
  operationEnd,
  readCluster,
  readOperation,
  retryOperation,
  stepBegun,
  uuidOf,
} from '../support/clusterCalls.ts';
import type { GroveHome } from '../support/groveProcess.ts';
import { processesOf } from '../support/processTree.ts';
import { freezeReplay, promotionResult, requestPromotion } from '../support/promotionCalls.ts';
import { backupCluster, ensureStored, restoreCluster, stored, verifyBackup } from './backupScenarios.ts';
import { addInstances, createCluster } from './buildScenarios.ts';
import { asked, ensureCluster, ensureFirstLeads, idsOf } from './preparation.ts';
import { type Asked, differences, type Scenario } from './scenario.ts';

/** The same operation, cancelled as soon as a step whose name begins so runs. */
function cancelledIn(step: string, { cancelled, ...scenario }: Scenario & { cancelled?(): void }): Scenario {
  return {
    ...scenario,
    end: 'CANCELLED',
    async ask(client, clusterId, round) {
      const asked = await scenario.ask(client, clusterId, round);
      await stepBegun(client, asked.operationId, step);
      const { operation, message } = await cancelOperation(client, asked.operationId);
      if (!operation) throw new Error(`It could not be cancelled: ${message}`);
      cancelled?.();
      return asked;
    },
  };
}

/** The error that is shown is the one that it ended with, and says nothing of the kill. */
async function errorFaults(client: ApiClient, { operationId }: Asked, code: string): Promise<string[]> {
  const { error } = await readOperation(client, operationId);
  return differences('error', error?.code, code);
}

/** A creation or an addition takes nothing back: what is half-done is in ERROR, until it is retried. */
function retriedAfterwards(
  statuses: (cluster: Shape) => string[],
  wanted: string[],
): NonNullable<Scenario['afterwards']> {
  return async (client, asked) => {
    const faults = [
      ...(await errorFaults(client, asked, 'CANCELLED')),
      ...differences('statuses', statuses(await readCluster(client, asked.clusterId)), wanted),
    ];
    await retryOperation(client, asked.operationId);
    const { status, error } = await operationEnd(client, asked.operationId);
    return [...faults, ...differences('the retry', [status, error], ['SUCCEEDED', null])];
  };
}

const statusOf = (cluster: Shape, name: string): string =>
  cluster.instances.nodes.find((instance: Shape) => instance.name === name)?.status;

export const createClusterCancelled: Scenario = {
  ...cancelledIn('bootstrap', createCluster),
  endings: ['ENDING', 'ENDED'],
  afterwards: retriedAfterwards(
    (cluster) => [cluster.status, cluster.statusReason],
    ['ERROR', 'CREATE_CLUSTER was cancelled'],
  ),
};

export const addInstancesCancelled: Scenario = {
  ...cancelledIn('provision orders-3', addInstances),
  endings: ['ENDING', 'ENDED'],
  afterwards: retriedAfterwards((cluster) => [cluster.status, statusOf(cluster, 'orders-3')], ['DEGRADED', 'ERROR']),
};

export const backupClusterCancelled: Scenario = {
  ...cancelledIn('back up', backupCluster),
  endings: ['ENDING', 'TAKING_BACK', 'ENDED'],
  async faults(client, asked) {
    const { status, statusReason, parts } = await readBackup(client, asked.backupId ?? '');
    return [
      ...(await errorFaults(client, asked, 'CANCELLED')),
      ...differences('the backup', [status, statusReason], ['FAILED', 'It was cancelled']),
      ...differences(
        'its parts',
        parts.map((part: Shape) => part.status),
        ['FAILED', 'FAILED', 'FAILED'],
      ),
    ];
  },
};

/** What freezes in a case, until it is over. */
let frozen = { thaw: (): void => {} };

/** The planned promotion of orders-2, by name, of a cluster whose primary is orders-1; the retry hands over. */
const promotionOfSecond: Omit<Scenario, 'ask'> = {
  kind: 'PROMOTE_INSTANCE',
  prepare: async (client, left) => await ensureFirstLeads(client, await ensureCluster(client, left)),
  async faults(client, { clusterId, operationId }) {
    const { status, primary } = await readCluster(client, clusterId);
    const { oldPrimary, newPrimary, lossBytes, oldPrimaryRejoined } = await promotionResult(client, operationId);
    return [
      ...differences('the cluster', [status, primary.name], ['ACTIVE', 'orders-2']),
      ...differences('its move', [oldPrimary.name, newPrimary.name], ['orders-1', 'orders-2']),
      ...differences('loss', [lossBytes, oldPrimaryRejoined], ['0', 'ATTACHED']),
    ];
  },
  leavesCluster: true,
};

/** The old primary is the primary as before, until what stood in the way is gone and somebody retries it. */
const retriedPromotion =
  (code: string): NonNullable<Scenario['afterwards']> =>
  async (client, asked) => {
    frozen.thaw();
    const faults = [
      ...(await errorFaults(client, asked, code)),
      ...differences('primary', (await readCluster(client, asked.clusterId)).primary?.name, 'orders-1'),
    ];
    await wholeAgain(client, asked.clusterId);
    const answer = await retryOperation(client, asked.operationId);
    const { status, error } = await operationEnd(client, asked.operationId);
    return [...faults, ...differences(`the retry (${answer.message})`, [status, error], ['SUCCEEDED', null])];
  };

async function wholeAgain(client: ApiClient, clusterId: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await pause(50)) {
    const { health, status } = await readCluster(client, clusterId);
    if (health.level === 'HEALTHY' && status === 'ACTIVE') return;
  }
}

/** The target replays nothing, so that it is not promoted and the old primary takes writes again. */
export const promoteInstanceGivenBack: Scenario = {
  ...promotionOfSecond,
  end: 'FAILED',
  endings: ['ENDING', 'ENDED'],
  async ask(client, clusterId) {
    const [instanceId = ''] = await idsOf(client, clusterId ?? '', ['orders-2']);
    frozen = await freezeReplay(instanceId);
    return await asked(clusterId, requestPromotion(client, { clusterId, instanceId, mode: 'PLANNED' }));
  },
  afterwards: retriedPromotion('WRITES_GIVEN_BACK'),
};

/** The target's agent says nothing until the cancellation is accepted. */
export const promoteInstanceCancelled: Scenario = {
  ...cancelledIn('prepare', {
    ...promotionOfSecond,
    async ask(client, clusterId) {
      const [instanceId = ''] = await idsOf(client, clusterId ?? '', ['orders-2']);
      const agents = processesOf(uuidOf(instanceId)).filter(({ command }) => command.includes('agent'));
      for (const { pid } of agents) process.kill(pid, 'SIGSTOP');
      frozen = {
        thaw() {
          for (const { pid } of agents) process.kill(pid, 'SIGCONT');
        },
      };
      return await asked(clusterId, requestPromotion(client, { clusterId, instanceId, mode: 'PLANNED' }));
    },
    cancelled: () => frozen.thaw(),
  }),
  endings: ['ENDING', 'ENDED'],
  afterwards: retriedPromotion('CANCELLED'),
};

/** The same restore of a backup whose parts are damaged in the store, which the instances find as they read them. */
function damaged(scenario: Scenario): Scenario {
  return {
    ...scenario,
    end: 'FAILED',
    endings: ['ENDING', 'TAKING_BACK', 'ENDED'],
    leavesCluster: false,
    async prepare(client, left, home) {
      await ensureStored(client, left);
      await damageParts(home);
      return null;
    },
    /** The backup is of no more use; the next case makes another one. */
    async afterwards(client, asked) {
      const { status } = await changedBackup(client, 'deleteBackup', stored.backupId);
      return [
        ...differences('the deletion of the backup', status, 'SUCCEEDED'),
        ...(await errorFaults(client, asked, 'BACKUP_PART_DAMAGED')),
      ];
    },
    faults: async (client, { clusterId }) =>
      differences('what was restored', (await readCluster(client, clusterId)).status, 'DELETED'),
  };
}

async function damageParts({ directory }: GroveHome): Promise<void> {
  const root = join(directory, 'backups');
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    const path = join(root, name);
    const found = statSync(path);
    if (!found.isFile()) continue;
    const file = await open(path, 'r+');
    await file.write(Buffer.from('damage'), 0, 6, Math.floor(found.size / 2));
    await file.close();
  }
}

export const restoreClusterFailed = damaged(restoreCluster);
export const verifyBackupFailed = damaged(verifyBackup);

export const verifyBackupCancelled: Scenario = {
  ...cancelledIn('restore', verifyBackup),
  endings: ['ENDING', 'TAKING_BACK', 'ENDED'],
  async faults(client, asked) {
    const { clusterId, backupId = '' } = asked;
    return [
      ...(await errorFaults(client, asked, 'CANCELLED')),
      ...differences('verified at', (await readBackup(client, backupId)).lastVerifiedAt, null),
      ...differences('the cluster made for it', (await readCluster(client, clusterId)).status, 'DELETED'),
    ];
  },
};
