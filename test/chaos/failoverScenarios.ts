import { setTimeout as pause } from 'node:timers/promises';
import type { ApiClient, Shape } from '../support/apiClient.ts';
import { readCluster } from '../support/clusterCalls.ts';
import type { GroveHome } from '../support/groveProcess.ts';
import {
  guard,
  loseInstance,
  promoted,
  promotionBlockers,
  promotionResult,
  requestPromotion,
  requestRejoin,
} from '../support/promotionCalls.ts';
import { keepRow, keptFaults } from './keptRows.ts';
import { asked, ensureCluster, ensureFirstLeads, idsOf } from './preparation.ts';
import { differences, type Scenario } from './scenario.ts';

/** What the case is about: the primary that was lost, how its host comes back, and a row that all had before. */
let lost = { row: '', restore: async (): Promise<void> => {} };

/** The agent and the server of orders-1, the primary, are killed and cannot be started; nobody promotes by himself. */
async function loseFirst(client: ApiClient, left: string | null, home: GroveHome): Promise<string> {
  const clusterId = await ensureFirstLeads(client, await ensureCluster(client, left));
  await ensureManual(client, clusterId);
  const row = await keepRow(client, clusterId);
  const [first = ''] = await idsOf(client, clusterId, ['orders-1']);
  lost = { row, ...(await loseInstance(home, clusterId, first)) };
  const deadline = Date.now() + 30_000;
  for (;;) {
    const blockers = await promotionBlockers(client, { clusterId, mode: 'FAILOVER' });
    if (blockers.length === 0) return clusterId;
    if (Date.now() > deadline) throw new Error(`The failover would be refused: ${blockers}`);
    await pause(50);
  }
}

/** Nobody promotes a replica of the cluster by himself. */
export async function ensureManual(client: ApiClient, clusterId: string): Promise<void> {
  const query = 'query ($id: ID!) { cluster(by: { id: $id }) { failover { mode } } }';
  const { failover } = (await client.data(query, { id: clusterId })).cluster;
  if (failover.mode !== 'MANUAL') await guard(client, { clusterId, failover: { mode: 'MANUAL' } });
}

const primaries = async (client: ApiClient, clusterId: string): Promise<string[]> =>
  (await readCluster(client, clusterId)).instances.nodes
    .filter(({ role }: Shape) => role === 'PRIMARY')
    .map((instance: Shape) => instance.name);

/** Its host is back as soon as it is accepted, so that the old primary comes back within the operation. */
export const failOver: Scenario = {
  kind: 'PROMOTE_INSTANCE',
  prepare: loseFirst,
  async ask(client, clusterId) {
    const accepted = await asked(clusterId, requestPromotion(client, { clusterId, mode: 'FAILOVER' }));
    await lost.restore();
    return accepted;
  },
  async faults(client, { clusterId, operationId }) {
    const { oldPrimary, newPrimary, rejoinFailure } = await promotionResult(client, operationId);
    return [
      ...differences('old primary', [oldPrimary.name, rejoinFailure], ['orders-1', null]),
      ...differences('primary', (await readCluster(client, clusterId)).primary.name, newPrimary.name),
      ...differences('primaries', await primaries(client, clusterId), [newPrimary.name]),
      ...differences('another primary', newPrimary.name !== 'orders-1', true),
      ...(await keptFaults(client, clusterId, lost.row)),
    ];
  },
  leavesCluster: true,
};

/** Of a former primary whose host was away during a failover. */
export const rejoinInstance: Scenario = {
  kind: 'REJOIN_INSTANCE',
  async prepare(client, left, home) {
    const clusterId = await loseFirst(client, left, home);
    const { oldPrimaryRejoined } = await promoted(client, requestPromotion(client, { clusterId, mode: 'FAILOVER' }));
    if (oldPrimaryRejoined !== null) throw new Error('The lost instance came back by itself');
    return clusterId;
  },
  async ask(client, clusterId) {
    const [instanceId] = await idsOf(client, clusterId ?? '', ['orders-1']);
    await lost.restore();
    return await asked(clusterId, requestRejoin(client, { clusterId, instanceId }));
  },
  async faults(client, { clusterId }) {
    const leaders = await primaries(client, clusterId);
    return [
      ...differences('primaries', [leaders.length, leaders.includes('orders-1')], [1, false]),
      ...(await keptFaults(client, clusterId, lost.row)),
    ];
  },
  leavesCluster: true,
};
