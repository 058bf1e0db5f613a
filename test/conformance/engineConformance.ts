import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Shape } from '../support/apiClient.ts';
import {
  acceptedCluster,
  createdCluster,
  cursorNow,
  deletedCluster,
  eventLines,
  loggedEvents,
  operationEnd,
  readCluster,
  requestCluster,
  revealedCredentials,
  uuidOf,
} from '../support/clusterCalls.ts';
import { createGroveHome, destroyAfterAll, type GroveHome, type GroveProcess } from '../support/groveProcess.ts';
import { processesOf } from '../support/processTree.ts';
import { backupCases } from './backupCases.ts';
import { promotionCases } from './promotionCases.ts';
import type { EngineClient, Scene } from './scene.ts';
import { topologyCases } from './topologyCases.ts';
import { losingNothing } from './whileWriting.ts';

/**
 * The cases that every engine must pass on real servers, by the numbers that they have in docs/lifecycle.md. Takes the product
 * through its public API and looks at the machines only from outside.
 */
export function describeEngineConformance(engineClient: EngineClient): void {
  const { engine, version, maximum, write, readAll } = engineClient;
  describe(`${engine} ${version}`, () => {
    let home: GroveHome;
    let grove: GroveProcess;
    let clusterId: string;
    let neighbourId: string;
    /** The host with nothing but the neighbour on it. */
    let neighbour: Traces;
    const wanted = { engine, engineVersion: version };
    const scene: Scene = {
      engine: engineClient,
      home: () => home,
      grove: () => grove,
      clusterId: () => clusterId,
      neighbourId: () => neighbourId,
    };

    beforeAll(async () => {
      home = await createGroveHome();
      grove = await home.start();
    });
    destroyAfterAll(() => home);

    test('C01 create the smallest cluster: BUILDING, then the instance ACTIVE, then the cluster', async () => {
      const watching = eventLines(grove.client, await cursorNow(grove.client), (lines) =>
        lines.includes('small BUILDING→ACTIVE'),
      );
      const { operationId, clusterId: id } = await acceptedCluster(grove.client, {
        ...wanted,
        name: 'small',
        instanceCount: 1,
      });
      neighbourId = id;
      expect(await readCluster(grove.client, id)).toMatchObject({ status: 'BUILDING' });
      await losingNothing(scene, id, async () => {
        expect(await operationEnd(grove.client, operationId)).toMatchObject({ status: 'SUCCEEDED' });
      });
      const lines = await watching;
      const instanceActive = lines.findIndex((line) => /^small-1 \w+→ACTIVE$/.test(line));
      expect(instanceActive).toBeGreaterThan(-1);
      expect(instanceActive).toBeLessThan(lines.indexOf('small BUILDING→ACTIVE'));
    });

    test('C02 write through the endpoint, read the same on every instance', async () => {
      neighbour = await traces();
      const accepted = await acceptedCluster(grove.client, { ...wanted, name: 'orders', instanceCount: 3 });
      clusterId = accepted.clusterId;
      await losingNothing(scene, clusterId, async () => {
        expect(await operationEnd(grove.client, accepted.operationId)).toMatchObject({ status: 'SUCCEEDED' });
        const { uri } = await revealedCredentials(grove.client, clusterId);
        await write(uri, 'first');
        for (const { address } of (await readCluster(grove.client, clusterId)).instances.nodes) {
          await expect.poll(() => readAll(uri, address), { timeout: 10_000 }).toEqual(['first']);
        }
      });
    });

    test('C03 list: one more, plainly; detailed, every field of live instances and their engine', async () => {
      await losingNothing(scene, clusterId, async () => {
        const list = async () =>
          (await grove.client.data('{ clusters { totalCount nodes { name status } } }')).clusters;
        const before = await list();
        const extra = await createdCluster(grove.client, { ...wanted, name: 'extra', instanceCount: 1 });
        const after = await list();
        expect(after.totalCount).toBe(before.totalCount + 1);
        expect(after.nodes).toContainEqual({ name: 'extra', status: 'ACTIVE' });
        await expect
          .poll(async () => missingFields(await readCluster(grove.client, extra)), { timeout: 15_000 })
          .toEqual([]);
        await deletedCluster(grove.client, extra);
      });
    });

    test('N01 above the maximum, none at all: refused, nothing left behind', async () => {
      await losingNothing(scene, clusterId, async () => {
        const before = await traces();
        for (const instanceCount of [0, maximum + 1]) {
          const refusal = await requestCluster(grove.client, { ...wanted, name: 'refused', instanceCount });
          expect(refusal).toMatchObject({ __typename: 'TopologyError', code: 'TOPOLOGY' });
        }
        await expectNoTraceSince(before);
      });
    });

    test('N02 unequal sizes, unknown engine or version, name taken, bad network: refused with the typed error', async () => {
      await losingNothing(scene, clusterId, async () => {
        const before = await traces();
        const size = { cpuMillis: 1000, memoryMiB: 512, storageGiB: 1 };
        const cases: [Record<string, unknown>, string][] = [
          [{ instances: [{ size }, { size: { ...size, memoryMiB: 1024 } }] }, 'TopologyError'],
          [{ engine: 'oracle', instanceCount: 1 }, 'EngineUnavailableError'],
          [{ engineVersion: '9', instanceCount: 1 }, 'EngineUnavailableError'],
          [{ name: 'orders', instanceCount: 1 }, 'NameTakenError'],
        ];
        for (const [input, type] of cases) {
          expect(await requestCluster(grove.client, { ...wanted, name: 'refused', ...input })).toMatchObject({
            __typename: type,
          });
        }
        const badNetwork = requestCluster(grove.client, {
          ...wanted,
          name: 'refused',
          instanceCount: 1,
          accessRules: [{ cidr: '10.0.0.0/40' }],
        });
        expect(await badNetwork.catch((error: Error) => error.message)).toSatisfy((answer: Shape) =>
          typeof answer === 'string' ? answer.includes('CIDR') : answer.code === 'INVALID_INPUT',
        );
        await expectNoTraceSince(before);
      });
    });

    test('N07 twenty mutations race for one cluster: one wins, nineteen are told who', async () => {
      await losingNothing(scene, clusterId, async () => {
        const mutation = /* GraphQL */ `mutation ($id: ID!, $cidr: CIDR!) {
          updateCluster(input: { clusterId: $id, accessRules: [{ cidr: "127.0.0.0/8" }, { cidr: $cidr }] }) {
            __typename
            ... on UpdateClusterPayload { operation { id } }
            ... on ClusterBusyError { operation { id } }
          }
        }`;
        const answers = await Promise.all(
          Array.from(
            { length: 20 },
            async (_, index) =>
              (await grove.client.data(mutation, { id: clusterId, cidr: `10.${index}.0.0/16` })).updateCluster,
          ),
        );
        const winners = answers.filter(({ __typename }) => __typename === 'UpdateClusterPayload');
        expect(winners).toHaveLength(1);
        const losers = answers.filter(({ __typename }) => __typename === 'ClusterBusyError');
        expect(losers).toHaveLength(19);
        for (const { operation } of losers) expect(operation.id).toBe(winners[0].operation.id);
        expect(await operationEnd(grove.client, winners[0].operation.id)).toMatchObject({ status: 'SUCCEEDED' });
      });
    });

    topologyCases(scene);
    promotionCases(scene);
    backupCases(scene);

    test('C12 delete: processes, files, addresses and names are gone, and nothing of its neighbour', async () => {
      await losingNothing(scene, neighbourId, async () => {
        await expectToVanish(clusterId, async () => {
          const { files, processes } = await traces();
          expect({ files, processes }).toEqual({ files: neighbour.files, processes: neighbour.processes });
        });
      });
      await expectToVanish(neighbourId, async () => {
        const { files, processes } = await traces();
        expect({ files, processes }).toMatchObject({ files: { clusters: [], networks: [], ports: [] }, processes: [] });
        expect(readFileSync(join(home.directory, 'hosts'), 'utf8')).not.toContain('small');
      });
    });

    /** Deletes a cluster: nothing of it runs, and its addresses are free. */
    async function expectToVanish(id: string, expectHost: () => Promise<void>): Promise<void> {
      const { instances } = await readCluster(grove.client, id);
      const { uri } = await revealedCredentials(grove.client, id);
      expect(await deletedCluster(grove.client, id)).toMatchObject({ status: 'SUCCEEDED' });
      expect(processesOf(uuidOf(id))).toEqual([]);
      await expectHost();
      for (const { address, port } of instances.nodes) {
        await expect(readAll(uri, address)).rejects.toThrow('ECONNREFUSED');
        await expectToBeFree(address, port);
      }
      expect((await readCluster(grove.client, id)).status).toBe('DELETED');
    }

    type Traces = { counts: unknown; files: unknown; processes: unknown; cursor: string };

    /** All that a creation would add to: records, directories, claims of networks and ports, names, processes, the log. */
    async function traces(): Promise<Traces> {
      const counts = await grove.client.data(/* GraphQL */ `{
        clusters(filter: { includeDeleted: true }) { totalCount }
        instances(filter: { includeRemoved: true }) { totalCount }
        operations { totalCount }
        viewer { project { quota { resource used } } }
      }`);
      const listed = (name: string) => {
        const path = join(home.directory, name);
        return existsSync(path) ? readdirSync(path).sort() : [];
      };
      const hosts = join(home.directory, 'hosts');
      return {
        counts,
        files: {
          ...Object.fromEntries(['clusters', 'networks', 'ports'].map((name) => [name, listed(name)])),
          hosts: existsSync(hosts) ? readFileSync(hosts, 'utf8') : '',
        },
        processes: agentsAndServers(),
        cursor: await cursorNow(grove.client),
      };
    }

    const agentsAndServers = () =>
      processesOf(join(home.directory, 'clusters'))
        .filter(({ command }) => command.some((word) => word.includes(join(home.directory, 'clusters'))))
        .map(({ pid }) => pid)
        .sort();

    async function expectNoTraceSince({ cursor, ...before }: Traces): Promise<void> {
      const { cursor: _later, ...after } = await traces();
      expect(after).toEqual(before);
      // The clusters that are there may be observed meanwhile.
      const there = [clusterId, neighbourId];
      const events = await loggedEvents(grove.client, cursor);
      const strange = ({ clusterId: of, type }: Shape) => !there.includes(of) || type.startsWith('OPERATION');
      expect(events.filter(strange)).toEqual([]);
    }
  });
}

/** An address that nothing holds can be listened on. */
async function expectToBeFree(host: string, port: number): Promise<void> {
  const server = createServer().listen({ host, port, exclusive: true });
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
}

/** Fields that a live, healthy cluster must have and does not, by their paths. */
function missingFields(value: Shape, path = ''): string[] {
  const mayBeNull = new Set([
    'statusReason',
    'replication',
    'receivedLsn',
    'replayedLsn',
    'currentLsn',
    'replicationLagBytes',
    'lagSeconds',
    'lagBytes',
  ]);
  if (value === null) return mayBeNull.has(path.split('.').at(-1) ?? '') ? [] : [path];
  if (typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) => missingFields(inner, `${path}.${key}`));
}
