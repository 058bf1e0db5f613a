import type { Shape } from '../support/apiClient.ts';
import { readCluster, requestedDeletion } from '../support/clusterCalls.ts';
import { promotionResult, requestPromotion } from '../support/promotionCalls.ts';
import { requestDrop, requestRestart } from '../support/topologyCalls.ts';
import { backupCluster, deleteBackup, restoreCluster, verifyBackup } from './backupScenarios.ts';
import { addInstances, createCluster } from './buildScenarios.ts';
import {
  addInstancesCancelled,
  backupClusterCancelled,
  createClusterCancelled,
  promoteInstanceCancelled,
  promoteInstanceGivenBack,
  restoreClusterFailed,
  verifyBackupCancelled,
  verifyBackupFailed,
} from './endingScenarios.ts';
import { failOver, rejoinInstance } from './failoverScenarios.ts';
import { asked, ensureCluster, ensureFirstLeads, idsOf, instanceNames } from './preparation.ts';
import { differences, type Round, type Scenario } from './scenario.ts';

const updateMutation = /* GraphQL */ `
  mutation ($input: UpdateClusterInput!) {
    updateCluster(input: $input) {
      ... on UpdateClusterPayload { operation { id } }
      ... on Error { code message }
    }
  }`;

const updateCluster: Scenario = {
  kind: 'UPDATE_CLUSTER',
  prepare: (client, left) => ensureCluster(client, left),
  async ask(client, clusterId, round) {
    const input = { clusterId, accessRules: rulesOf(round).map((cidr) => ({ cidr })) };
    return await asked(
      clusterId,
      client.data(updateMutation, { input }).then(({ updateCluster: result }) => result),
    );
  },
  async faults(client, { clusterId }, round) {
    const { cluster } = await client.data(
      'query ($id: ID!) { cluster(by: { id: $id }) { network { accessRulesInForce accessRules { cidr } } } }',
      { id: clusterId },
    );
    const { accessRulesInForce, accessRules } = cluster.network;
    return [
      ...differences('accessRulesInForce', accessRulesInForce, true),
      ...differences(
        'accessRules',
        accessRules.map(({ cidr }: Shape) => cidr),
        rulesOf(round),
      ),
    ];
  },
  leavesCluster: true,
};

/** This host, which the checks come from, and a network that only this round lets in. */
const rulesOf = ({ number }: Round): string[] => ['127.0.0.0/8', `10.${number % 256}.0.0/16`];

const dropInstances: Scenario = {
  kind: 'DROP_INSTANCES',
  prepare: (client, left) => ensureCluster(client, left),
  ask: async (client, clusterId) => {
    const instanceIds = await idsOf(client, clusterId ?? '', ['orders-2', 'orders-3']);
    return await asked(clusterId, requestDrop(client, { clusterId, instanceIds }));
  },
  // The primary was away for longer than a drop waits for it (docs/lifecycle.md).
  mayFail: { LAST_COPY: 'RETRY' },
  faults: async (client, { clusterId }) =>
    differences('instances', await instanceNames(client, clusterId), ['orders-1']),
  leavesCluster: true,
};

const restartCluster: Scenario = {
  kind: 'RESTART_CLUSTER',
  prepare: (client, left) => ensureCluster(client, left),
  ask: (client, clusterId) => asked(clusterId, requestRestart(client, { clusterId })),
  faults: async (client, { clusterId }) =>
    differences('instances', await instanceNames(client, clusterId), ['orders-1', 'orders-2', 'orders-3']),
  leavesCluster: true,
};

const promoteInstance: Scenario = {
  kind: 'PROMOTE_INSTANCE',
  prepare: async (client, left) => await ensureFirstLeads(client, await ensureCluster(client, left)),
  ask: (client, clusterId) => asked(clusterId, requestPromotion(client, { clusterId, mode: 'PLANNED' })),
  // A server that dies while it is being stopped has not sent its last checkpoint (docs/failover.md).
  mayFail: { WRITES_GIVEN_BACK: 'ASK_AGAIN' },
  async faults(client, { clusterId, operationId }) {
    const { oldPrimary, newPrimary, lossBytes, oldPrimaryRejoined } = await promotionResult(client, operationId);
    const { primary, instances } = await readCluster(client, clusterId);
    const primaries = instances.nodes.filter(({ role }: Shape) => role === 'PRIMARY');
    return [
      ...differences('primary', primary.name, newPrimary.name),
      ...differences(
        'primaries',
        primaries.map((instance: Shape) => instance.name),
        [newPrimary.name],
      ),
      ...differences('another primary', oldPrimary.name !== newPrimary.name, true),
      ...differences('loss', [lossBytes, oldPrimaryRejoined], ['0', 'ATTACHED']),
    ];
  },
  leavesCluster: true,
};

const deleteCluster: Scenario = {
  kind: 'DELETE_CLUSTER',
  prepare: (client, left) => ensureCluster(client, left),
  async ask(client, clusterId) {
    const id = clusterId ?? '';
    return { clusterId: id, operationId: await requestedDeletion(client, id) };
  },
  faults: async (client, { clusterId }) =>
    differences('status', (await readCluster(client, clusterId)).status, 'DELETED'),
  leavesCluster: false,
};

export const scenarios: Readonly<Record<string, Scenario>> = {
  createCluster,
  updateCluster,
  restartCluster,
  addInstances,
  dropInstances,
  promoteInstance,
  failOver,
  rejoinInstance,
  backupCluster,
  restoreCluster,
  verifyBackup,
  deleteBackup,
  deleteCluster,
  createClusterCancelled,
  addInstancesCancelled,
  backupClusterCancelled,
  restoreClusterFailed,
  verifyBackupFailed,
  verifyBackupCancelled,
  promoteInstanceGivenBack,
  promoteInstanceCancelled,
};
