import type { ApiClient, Shape } from '../support/apiClient.ts';
import { createdCluster, readCluster } from '../support/clusterCalls.ts';
import { promoted, requestPromotion } from '../support/promotionCalls.ts';
import { requestAdd, requestDrop, succeeded } from '../support/topologyCalls.ts';
import type { Asked } from './scenario.ts';

/** What every scenario's cluster is called, but those that the product names itself. */
export const name = 'orders';
export const instanceCount = 3;

/** A cluster of so many instances: the one that is left, made smaller or larger, or a new one. */
export async function ensureCluster(
  client: ApiClient,
  left: string | null,
  count: number = instanceCount,
): Promise<string> {
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
export async function instanceNames(client: ApiClient, clusterId: string): Promise<string[]> {
  const instances = await instancesOf(client, clusterId);
  const rank = ({ role, name: own }: Shape) => `${role === 'PRIMARY' ? 0 : 1} ${own}`;
  return instances.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1)).map((instance) => instance.name);
}

export const idsOf = async (client: ApiClient, clusterId: string, names: readonly string[]): Promise<string[]> =>
  (await instancesOf(client, clusterId)).filter((instance) => names.includes(instance.name)).map(({ id }) => id);

/** What an accepted mutation of a cluster that is there is known by. */
export async function asked(clusterId: string | null, request: Promise<Shape>): Promise<Asked> {
  const answer = await request;
  if (!answer.operation || answer.code || clusterId === null) {
    throw new Error(`It was refused: ${JSON.stringify(answer)}`);
  }
  return { clusterId, operationId: answer.operation.id };
}

/** The cluster's primary is orders-1, so that steps have the same names in each case. */
export async function ensureFirstLeads(client: ApiClient, clusterId: string): Promise<string> {
  const first = (await instancesOf(client, clusterId)).find((instance) => instance.name === `${name}-1`);
  if (first?.role !== 'PRIMARY') {
    await promoted(client, requestPromotion(client, { clusterId, mode: 'PLANNED', instanceId: first?.id }));
  }
  return clusterId;
}
