import type { ApiClient, Shape } from '../support/apiClient.ts';
import {
  acceptedCluster,
  createdCluster,
  deletedCluster,
  readCluster,
  requestedDeletion,
} from '../support/clusterCalls.ts';
import { requestAdd, requestDrop, requestRestart, succeeded } from '../support/topologyCalls.ts';

export type Asked = { clusterId: string; operationId: string };

/**
 * An operation that the sweep kills Grove in. To add one: write it here and put it into `scenarios`; the sweep finds the steps by
 * itself, from what a run that is left alone records.
 */
export type Scenario = {
  /** Kind of the operation. */
  kind: string;
  /**
   * Brings about what the mutation needs.
   * @param left the cluster, whole, that the case before left. Null: there is none
   * @returns the cluster to ask it of; null: the mutation makes it
   */
  prepare(client: ApiClient, left: string | null): Promise<string | null>;
  /** Sends the mutation. `round` is another number in each case: for what has to differ from the case before. */
  ask(client: ApiClient, clusterId: string | null, round: number): Promise<Asked>;
  /** How the operation must end, if not SUCCEEDED. */
  end?: 'FAILED';
  /** What is not as docs/lifecycle.md says, once the operation has ended; for the whole cluster that is left, besides its health. */
  faults(client: ApiClient, asked: Asked, round: number): Promise<string[]>;
  /** False: nothing is left of the cluster. */
  leavesCluster: boolean;
};

const name = 'orders';
const instanceCount = 3;

/** A cluster of so many instances: the one that is left, made smaller or larger, or a new one. */
async function ensureCluster(client: ApiClient, left: string | null, count: number = instanceCount): Promise<string> {
  if (left === null) return await createdCluster(client, { name, instanceCount: count });
  const names = await instanceNames(client, left);
  if (names.length < count) {
    await succeeded(client, requestAdd(client, { clusterId: left, count: count - names.length }));
  }
  if (names.length > count) {
    await succeeded(
      client,
      requestDrop(client, { clusterId: left, instanceIds: await idsOf(client, left, names.slice(count)) }),
    );
  }
  return left;
}

const instancesOf = async (client: ApiClient, clusterId: string): Promise<Shape[]> =>
  (await readCluster(client, clusterId)).instances.nodes;

/** The primary first, the others by name. */
async function instanceNames(client: ApiClient, clusterId: string): Promise<string[]> {
  const instances = await instancesOf(client, clusterId);
  const rank = ({ role, name: own }: Shape) => `${role === 'PRIMARY' ? 0 : 1} ${own}`;
  return instances.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1)).map((instance) => instance.name);
}

const idsOf = async (client: ApiClient, clusterId: string, names: readonly string[]): Promise<string[]> =>
  (await instancesOf(client, clusterId)).filter((instance) => names.includes(instance.name)).map(({ id }) => id);

/** What an accepted mutation of a cluster that is there is known by. */
async function asked(clusterId: string | null, request: Promise<Shape>): Promise<Asked> {
  const answer = await request;
  if (!answer.operation || answer.code || clusterId === null) {
    throw new Error(`It was refused: ${JSON.stringify(answer)}`);
  }
  return { clusterId, operationId: answer.operation.id };
}

const createCluster: Scenario = {
  kind: 'CREATE_CLUSTER',
  async prepare(client, left) {
    if (left !== null) await deletedCluster(client, left);
    return null;
  },
  ask: (client) => acceptedCluster(client, { name, instanceCount }),
  faults: async (client, { clusterId }) =>
    differences('instances', await instanceNames(client, clusterId), ['orders-1', 'orders-2', 'orders-3']),
  leavesCluster: true,
};

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
const rulesOf = (round: number): string[] => ['127.0.0.0/8', `10.${round % 256}.0.0/16`];

const addInstances: Scenario = {
  kind: 'ADD_INSTANCES',
  prepare: (client, left) => ensureCluster(client, left, 2),
  ask: (client, clusterId) => asked(clusterId, requestAdd(client, { clusterId, count: 1 })),
  faults: async (client, { clusterId }) =>
    differences('instances', await instanceNames(client, clusterId), ['orders-1', 'orders-2', 'orders-3']),
  leavesCluster: true,
};

const dropInstances: Scenario = {
  kind: 'DROP_INSTANCES',
  prepare: (client, left) => ensureCluster(client, left),
  ask: async (client, clusterId) => {
    const instanceIds = await idsOf(client, clusterId ?? '', ['orders-2', 'orders-3']);
    return await asked(clusterId, requestDrop(client, { clusterId, instanceIds }));
  },
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
  deleteCluster,
};

/** Says what is there instead of what is wanted. None: it is there. */
export function differences(what: string, found: unknown, wanted: unknown): string[] {
  const [is, mustBe] = [JSON.stringify(found), JSON.stringify(wanted)];
  return is === mustBe ? [] : [`${what}: ${is} instead of ${mustBe}`];
}
