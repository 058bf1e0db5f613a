import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Shape } from '../support/apiClient.ts';
import { acceptedCluster, deletedCluster, operationEnd, readCluster, readOperation } from '../support/clusterCalls.ts';
import { createGroveHome, type GroveHome } from '../support/groveProcess.ts';
import { processesOf } from '../support/processTree.ts';

/** How soon after a start an operation is found again, in milliseconds. */
const foundAgainWithinMs = 15_000;

let home: GroveHome;
beforeEach(async () => {
  home = await createGroveHome();
});
afterEach(() => home.destroy());

describe('a create whose Grove is killed with -9', () => {
  test.each(['create the network', 'provision orders-2', 'bootstrap orders-1', 'join orders-3', 'verify the cluster'])(
    'in the middle of "%s" goes on after the next start and succeeds',
    async (step) => {
      const first = await home.start();
      const { clusterId, operationId } = await acceptedCluster(first.client, { name: 'orders', instanceCount: 3 });
      await untilStepBegins(first.client, operationId, step);
      await first.kill();

      const second = await home.start();
      const started = performance.now();
      const before = await readOperation(second.client, operationId);
      if (before.status !== 'SUCCEEDED') {
        await untilStepBegins(second.client, operationId, step, 2);
        expect(performance.now() - started).toBeLessThan(foundAgainWithinMs);
      }
      const ended = await operationEnd(second.client, operationId);
      expect(ended, second.output()).toMatchObject({ status: 'SUCCEEDED', error: null });
      const cluster = await readCluster(second.client, clusterId);
      expect(cluster).toMatchObject({ status: 'ACTIVE', health: { level: 'HEALTHY' } });
      expect(cluster.instances.nodes.map(({ status, role }: Shape) => `${status} ${role}`)).toEqual([
        'ACTIVE PRIMARY',
        'ACTIVE REPLICA',
        'ACTIVE REPLICA',
      ]);
      const clusterUuid = Buffer.from(clusterId, 'base64').toString().split(':')[1] ?? '';
      expect(agentsOf(clusterUuid)).toHaveLength(3);

      await deletedCluster(second.client, clusterId);
      expect(processesOf(clusterUuid)).toEqual([]);
      expect(await second.interrupt()).toMatchObject({ inOrder: true });
      expect(processesOf(home.directory)).toEqual([]);
    },
    120_000,
  );
});

const agentsOf = (clusterUuid: string) =>
  processesOf(clusterUuid).filter(
    ({ command }) => command.includes('agent') && command.some((word) => word.includes(clusterUuid)),
  );

/** Waits until the step has been begun this often; kills nothing by itself. */
async function untilStepBegins(
  client: Parameters<typeof readOperation>[0],
  operationId: string,
  name: string,
  attempt = 1,
): Promise<void> {
  const subscription = 'subscription ($id: ID!) { operation(id: $id) { status steps { name status attempt } } }';
  for await (const { operation } of client.subscribe(subscription, { id: operationId })) {
    const step = operation.steps.find((candidate: Shape) => candidate.name === name);
    if (step.attempt >= attempt || step.status === 'SUCCEEDED') return;
  }
}
