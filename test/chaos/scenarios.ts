import type { ApiClient, Shape } from '../support/apiClient.ts';
import {
  acceptedCluster,
  createdCluster,
  deletedCluster,
  readCluster,
  requestedDeletion,
} from '../support/clusterCalls.ts';

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

const ensureCluster = async (client: ApiClient, left: string | null): Promise<string> =>
  left ?? (await createdCluster(client, { name, instanceCount }));

const createCluster: Scenario = {
  kind: 'CREATE_CLUSTER',
  async prepare(client, left) {
    if (left !== null) await deletedCluster(client, left);
    return null;
  },
  ask: (client) => acceptedCluster(client, { name, instanceCount }),
  faults: async (client, { clusterId }) => {
    const { instances, primary } = await readCluster(client, clusterId);
    const names = instances.nodes.map((instance: Shape) => instance.name);
    return [
      ...differences('instances', names, ['orders-1', 'orders-2', 'orders-3']),
      ...differences('primary', primary?.name, 'orders-1'),
    ];
  },
  leavesCluster: true,
};

const updateCluster: Scenario = {
  kind: 'UPDATE_CLUSTER',
  prepare: ensureCluster,
  async ask(client, clusterId, round) {
    const { updateCluster: result } = await client.data(
      /* GraphQL */ `mutation ($input: UpdateClusterInput!) {
        updateCluster(input: $input) {
          ... on UpdateClusterPayload { cluster { id } operation { id } }
          ... on Error { code message }
        }
      }`,
      { input: { clusterId, accessRules: rulesOf(round).map((cidr) => ({ cidr })) } },
    );
    if (!result.operation) throw new Error(`updateCluster answered ${JSON.stringify(result)}`);
    return { clusterId: result.cluster.id, operationId: result.operation.id };
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

const deleteCluster: Scenario = {
  kind: 'DELETE_CLUSTER',
  prepare: ensureCluster,
  async ask(client, clusterId) {
    const id = clusterId ?? '';
    return { clusterId: id, operationId: await requestedDeletion(client, id) };
  },
  faults: async (client, { clusterId }) =>
    differences('status', (await readCluster(client, clusterId)).status, 'DELETED'),
  leavesCluster: false,
};

/** In the order in which each can use what the one before leaves. */
export const scenarios: Readonly<Record<string, Scenario>> = { createCluster, updateCluster, deleteCluster };

/** Says what is there instead of what is wanted. None: it is there. */
export function differences(what: string, found: unknown, wanted: unknown): string[] {
  const [is, mustBe] = [JSON.stringify(found), JSON.stringify(wanted)];
  return is === mustBe ? [] : [`${what}: ${is} instead of ${mustBe}`];
}
