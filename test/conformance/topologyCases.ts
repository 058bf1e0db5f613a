import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Shape } from '../support/apiClient.ts';
import {
  acceptedCluster,
  cursorNow,
  deletedCluster,
  eventLines,
  operationEnd,
  readCluster,
  revealedCredentials,
  uuidOf,
} from '../support/clusterCalls.ts';
import { processesOf } from '../support/processTree.ts';
import { requestAdd, requestDrop, requestRestart, succeeded } from '../support/topologyCalls.ts';
import type { Scene } from './scene.ts';
import { losingNothing } from './whileWriting.ts';

/** The cases on adding, dropping and restarting, each while a client writes. They leave the cluster with three instances. */
export function topologyCases(scene: Scene): void {
  const { engine, home, grove, clusterId, neighbourId } = scene;
  const whileWritten = (work: () => Promise<void>) => losingNothing(scene, clusterId(), work);
  const read = () => readCluster(grove().client, clusterId());
  const named = async (...names: string[]): Promise<Shape[]> => {
    const { nodes } = (await read()).instances;
    return names.map((name) => nodes.find((instance: Shape) => instance.name === name));
  };

  test('C05 add two, one named: in the list at once, then ACTIVE; the data is on them, and new writes reach all', async () => {
    await whileWritten(async () => {
      const asked = await requestAdd(grove().client, { clusterId: clusterId(), instances: [{ name: 'reports' }, {}] });
      expect(asked.cluster).toMatchObject({ status: 'BUSY', instanceCount: 5 });
      const statuses = asked.cluster.instances.nodes.map(({ name, status }: Shape) => `${name} ${status}`);
      expect(statuses).toEqual([
        ...['orders-1', 'orders-2', 'orders-3'].map((name) => `${name} ACTIVE`),
        'orders-4 PENDING',
        'reports PENDING',
      ]);
      const { verified, instances } = await succeeded(grove().client, Promise.resolve(asked));
      expect([verified, ...instances.map(({ name }: Shape) => name)]).toEqual([true, 'orders-4', 'reports']);
    });
    const { status, instances } = await read();
    expect(status).toBe('ACTIVE');
    const { uri } = await revealedCredentials(grove().client, clusterId());
    await engine.write(uri, 'second');
    for (const { address } of instances.nodes) {
      await expect.poll(() => engine.readAll(uri, address), { timeout: 10_000 }).toEqual(['first', 'second']);
    }
  }, 60_000);

  test('C04 restart: BUSY, one by one, the primary last; then ACTIVE, and nothing is lost', async () => {
    const { client } = grove();
    await whileWritten(async () => {
      const lines = eventLines(client, await cursorNow(client), (seen) => seen.includes('orders BUSY→ACTIVE'));
      const { restarted, verified } = await succeeded(client, requestRestart(client, { clusterId: clusterId() }));
      expect(verified).toBe(true);
      expect(restarted.map(({ instance }: Shape) => instance.name)).toEqual([
        ...['orders-2', 'orders-3', 'orders-4', 'reports'],
        'orders-1',
      ]);
      for (const { downMs } of restarted) expect(downMs).toBeGreaterThan(0);
      const ofInstances = (await lines).filter((line) => /→RESTARTING|RESTARTING→/.test(line));
      expect(ofInstances).toEqual(
        ['orders-2', 'orders-3', 'orders-4', 'reports', 'orders-1'].flatMap((name) => [
          `${name} ACTIVE→RESTARTING`,
          `${name} RESTARTING→ACTIVE`,
        ]),
      );
    });
  }, 60_000);

  test('C04 restart all at once, and one of them', async () => {
    const { client } = grove();
    await whileWritten(async () => {
      const all = await succeeded(client, requestRestart(client, { clusterId: clusterId(), strategy: 'ALL_AT_ONCE' }));
      expect(all).toMatchObject({ verified: true, restarted: { length: 5 } });
      const [one] = await named('orders-3');
      const some = await succeeded(client, requestRestart(client, { clusterId: clusterId(), instanceIds: [one.id] }));
      expect(some.restarted.map(({ instance }: Shape) => instance.name)).toEqual(['orders-3']);
    });
    expect(await read()).toMatchObject({ status: 'ACTIVE' });
  }, 60_000);

  test('N03 drop one twice, one of another cluster, the primary, or too many: refused, and nothing has changed', async () => {
    await whileWritten(async () => {
      const { client } = grove();
      const single = neighbourId();
      const [stranger] = (await readCluster(client, single)).instances.nodes;
      const [primary, replica] = await named('orders-1', 'orders-2');
      const before = await read();
      const refusals: [string[], string][] = [
        [[replica.id, replica.id], 'INVALID_INPUT'],
        [[stranger.id], 'NOT_FOUND'],
        [[primary.id], 'PRIMARY_NOT_DROPPABLE'],
      ];
      for (const [instanceIds, code] of refusals) {
        expect(await requestDrop(client, { clusterId: clusterId(), instanceIds })).toMatchObject({ code });
      }
      expect(await requestDrop(client, { clusterId: single, instanceIds: [stranger.id] })).toMatchObject({
        code: 'MINIMUM_INSTANCES',
        minimum: 1,
        remaining: 0,
      });
      expect(await read()).toMatchObject({
        version: before.version,
        status: 'ACTIVE',
        instances: { nodes: { length: 5 } },
      });
    });
  }, 60_000);

  test('N04 restart while building, or while another operation holds the cluster: refused with that operation', async () => {
    await whileWritten(async () => {
      const { client } = grove();
      const wanted = { engine: engine.engine, engineVersion: engine.version, name: 'building', instanceCount: 1 };
      const building = await acceptedCluster(client, wanted);
      expect(await requestRestart(client, { clusterId: building.clusterId })).toMatchObject({
        __typename: 'ClusterBusyError',
        operation: { id: building.operationId },
      });
      await operationEnd(client, building.operationId);
      const [replica] = await named('orders-2');
      const restarting = await requestRestart(client, { clusterId: clusterId(), instanceIds: [replica.id] });
      const others = await Promise.all([
        requestRestart(client, { clusterId: clusterId() }),
        requestAdd(client, { clusterId: clusterId(), count: 1 }),
        requestDrop(client, { clusterId: clusterId(), instanceIds: [replica.id] }),
      ]);
      for (const other of others) {
        expect(other).toMatchObject({ __typename: 'ClusterBusyError', operation: { id: restarting.operation.id } });
      }
      await succeeded(client, Promise.resolve(restarting));
      await deletedCluster(client, building.clusterId);
    });
  }, 60_000);

  test('C06 drop the named one: its process, files and address are gone, the data is on the rest', async () => {
    const { client } = grove();
    const [reports] = await named('reports');
    await whileWritten(async () => {
      const lines = eventLines(client, await cursorNow(client), (seen) => seen.includes('orders BUSY→ACTIVE'));
      const drop = requestDrop(client, { clusterId: clusterId(), instanceIds: [reports.id] });
      expect(await succeeded(client, drop)).toMatchObject({
        verified: true,
        instances: [{ name: 'reports', status: 'REMOVED' }],
      });
      const ofCluster = (await lines).filter((line) => /^orders .*BUSY/.test(line));
      expect(ofCluster).toEqual(['orders ACTIVE→BUSY', 'orders BUSY→ACTIVE']);
    });
    await expectGone(reports);
  }, 60_000);

  test('C07 drop two at once: in parallel', async () => {
    const { client } = grove();
    const leaving = await named('orders-3', 'orders-4');
    const lines = eventLines(client, await cursorNow(client), (seen) => seen.includes('orders BUSY→ACTIVE'));
    await whileWritten(async () => {
      const instanceIds = leaving.map(({ id }) => id);
      await succeeded(client, requestDrop(client, { clusterId: clusterId(), instanceIds }));
    });
    const seen = await lines;
    const begun = ['orders-3', 'orders-4'].map((name) => seen.indexOf(`${name} ACTIVE→DRAINING`));
    const ended = ['orders-3', 'orders-4'].map((name) => seen.indexOf(`${name} REMOVING→REMOVED`));
    expect(Math.min(...begun)).toBeGreaterThan(-1);
    expect(Math.max(...begun)).toBeLessThan(Math.min(...ended));
    for (const instance of leaving) await expectGone(instance);
    expect((await read()).instances.nodes.map(({ name }: Shape) => name)).toEqual(['orders-1', 'orders-2']);
    await succeeded(client, requestAdd(client, { clusterId: clusterId(), count: 1 }));
    expect((await read()).instances.nodes.map(({ name }: Shape) => name)).toEqual(['orders-1', 'orders-2', 'orders-3']);
  }, 60_000);

  async function expectGone({ id, address, dnsName }: Shape): Promise<void> {
    const { nodes } = (await read()).instances;
    expect(nodes.map((instance: Shape) => instance.id)).not.toContain(id);
    const uuid = uuidOf(id);
    expect(processesOf(uuid)).toEqual([]);
    expect(existsSync(join(home().directory, 'clusters', uuidOf(clusterId()), uuid))).toBe(false);
    expect(readFileSync(join(home().directory, 'hosts'), 'utf8')).not.toContain(dnsName);
    const { uri } = await revealedCredentials(grove().client, clusterId());
    await expect(engine.readAll(uri, address)).rejects.toThrow('ECONNREFUSED');
  }
}
