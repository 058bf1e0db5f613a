import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { signalProcess } from '#lib/host/processes.ts';
import type { Shape } from '../support/apiClient.ts';
import {
  createdCluster,
  cursorNow,
  eventsUntil,
  isBeginningOf,
  operationEnd,
  readCluster,
  readOperation,
  revealedCredentials,
  uuidOf,
} from '../support/clusterCalls.ts';
import { createGroveHome, destroyAfterAll, type GroveHome, type GroveProcess } from '../support/groveProcess.ts';
import { processesOf } from '../support/processTree.ts';
import { lostWrites, startRecordingWriter } from '../support/recordingWriter.ts';
import { requestAdd, requestDrop, requestRestart, succeeded } from '../support/topologyCalls.ts';

/** Short, so that a silent agent is soon known to be silent. */
const environment = { GROVE_AGENT_LEASE_SECONDS: '3' };

let home: GroveHome;
let grove: GroveProcess;
let clusterId: string;
beforeAll(async () => {
  home = await createGroveHome();
  grove = await home.start({ environment });
  clusterId = await createdCluster(grove.client, { name: 'orders', instanceCount: 2 });
}, 120_000);
destroyAfterAll(() => home);

const read = () => readCluster(grove.client, clusterId);
const named = async (name: string): Promise<Shape> =>
  (await read()).instances.nodes.find((instance: Shape) => instance.name === name);
const directoryOf = ({ id }: Shape) => join(home.directory, 'clusters', uuidOf(clusterId), uuidOf(id));

/** Asks, kills Grove as soon as the step is told to have begun, starts the next one and waits for the operation's end. */
async function killedIn(step: string, ask: () => Promise<Shape>): Promise<Shape> {
  const before = await cursorNow(grove.client);
  const [asked] = await Promise.all([ask(), eventsUntil(grove.client, before, isBeginningOf(step))]);
  await grove.kill();
  grove = await home.start({ environment });
  const end = await operationEnd(grove.client, asked.operation.id);
  expect(end, grove.output()).toMatchObject({ status: 'SUCCEEDED', error: null });
  return await readOperation(grove.client, asked.operation.id);
}

describe('while Grove is killed with -9 and a client writes', () => {
  test('instances are added, restarted and dropped, and nothing that was acknowledged is lost', async () => {
    const { username: user, password, database } = await revealedCredentials(grove.client, clusterId);
    const login = { user, password, database };
    const targets = async () =>
      (await read()).instances.nodes.map(({ address, port }: Shape) => ({ host: address, port }));
    const writer = await startRecordingWriter({ ...login, targets: await targets() });
    await killedIn('join orders-3', () => requestAdd(grove.client, { clusterId, count: 1 }));
    expect(await read()).toMatchObject({ status: 'ACTIVE', instances: { nodes: { length: 3 } } });

    const replica = await named('orders-2');
    const starts = () =>
      readFileSync(join(directoryOf(replica), 'server.log'), 'utf8').match(/starting PostgreSQL/g)?.length ?? 0;
    const startsBefore = starts();
    await killedIn('restart orders-2', () => requestRestart(grove.client, { clusterId }));
    expect(starts() - startsBefore).toBeGreaterThanOrEqual(1);
    expect(starts() - startsBefore).toBeLessThanOrEqual(2);

    const leaving = await named('orders-3');
    await killedIn('drain orders-3', () => requestDrop(grove.client, { clusterId, instanceIds: [leaving.id] }));
    expect(processesOf(uuidOf(leaving.id))).toEqual([]);
    expect((await read()).instances.nodes.map(({ name }: Shape) => name)).toEqual(['orders-1', 'orders-2']);

    const { acknowledged } = await writer.stop();
    for (const target of await targets()) {
      await expect.poll(() => lostWrites(target, login, acknowledged), { timeout: 10_000 }).toEqual([]);
    }
  }, 240_000);
});

test('an instance whose agent hangs is dropped, and its server with it', async () => {
  const { instances } = await succeeded(grove.client, requestAdd(grove.client, { clusterId, count: 1 }));
  const silent = await named(instances[0].name);
  const processes = processesOf(uuidOf(silent.id));
  const agent = processes.find(({ command }) => command.includes('agent'));
  signalProcess(agent?.pid ?? 0, 'SIGSTOP');
  await expect.poll(async () => (await named(silent.name)).status, { timeout: 20_000 }).toBe('UNREACHABLE');
  const { uri } = await revealedCredentials(grove.client, clusterId);
  await expect(serves(uri, silent)).resolves.toBe(true);
  expect(await requestRestart(grove.client, { clusterId })).toMatchObject({
    __typename: 'InstanceStatusError',
    status: 'UNREACHABLE',
  });
  const drop = requestDrop(grove.client, { clusterId, instanceIds: [silent.id] });
  expect(await succeeded(grove.client, drop)).toMatchObject({ verified: true });
  await expect(serves(uri, silent)).resolves.toBe(false);
  expect(processesOf(uuidOf(silent.id))).toEqual([]);
  expect(await read()).toMatchObject({ status: 'ACTIVE', health: { level: 'HEALTHY' } });
}, 120_000);

async function serves(uri: string, { address }: Shape): Promise<boolean> {
  const url = new URL(uri);
  url.hostname = address;
  const client = new pg.Client({ connectionString: url.href });
  client.on('error', () => {});
  return client.connect().then(
    async () => {
      await client.end();
      return true;
    },
    () => false,
  );
}
