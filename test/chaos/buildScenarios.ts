import { acceptedCluster, deletedCluster } from '../support/clusterCalls.ts';
import { requestAdd } from '../support/topologyCalls.ts';
import { asked, ensureCluster, instanceCount, instanceNames, name } from './preparation.ts';
import { differences, type Scenario } from './scenario.ts';

export const createCluster: Scenario = {
  kind: 'CREATE_CLUSTER',
  async prepare(client, left) {
    if (left !== null) await deletedCluster(client, left);
    return null;
  },
  ask: (client, _, { fault }) =>
    acceptedCluster(client, {
      ...{ name, instanceCount },
      // As for the clusters that are there before (see Sweep).
      ...(fault === 'F02' ? { failover: { mode: 'MANUAL' } } : {}),
    }),
  faults: async (client, { clusterId }) =>
    differences('instances', await instanceNames(client, clusterId), ['orders-1', 'orders-2', 'orders-3']),
  leavesCluster: true,
};

export const addInstances: Scenario = {
  kind: 'ADD_INSTANCES',
  prepare: (client, left) => ensureCluster(client, left, 2),
  ask: (client, clusterId) => asked(clusterId, requestAdd(client, { clusterId, count: 1 })),
  faults: async (client, { clusterId }) =>
    differences('instances', await instanceNames(client, clusterId), ['orders-1', 'orders-2', 'orders-3']),
  leavesCluster: true,
};
