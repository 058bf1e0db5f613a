import { existsSync } from 'node:fs';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { signalProcess } from '#lib/host/processes.ts';
import type { Shape } from '../support/apiClient.ts';
import { createdCluster, operationEnd, readCluster, revealedCredentials, uuidOf } from '../support/clusterCalls.ts';
import { createGroveHome, destroyAfterAll, type GroveHome, type GroveProcess } from '../support/groveProcess.ts';
import { processesOf } from '../support/processTree.ts';
import { guard, loseInstance, requestRejoin } from '../support/promotionCalls.ts';
import { lostWrites, startRecordingWriter } from '../support/recordingWriter.ts';
import { requestDrop, requestRestart, succeeded } from '../support/topologyCalls.ts';

/** Short, so that a silent agent is soon known to be silent. */
const environment = { GROVE_AGENT_LEASE_SECONDS: '3' };

let home: GroveHome;
let grove: GroveProcess;
let clusterId: string;
beforeAll(async () => {
  home = await createGroveHome();
  grove = await home.start({ environment });
  clusterId = await createdCluster(grove.client, { name: 'orders', instanceCount: 3 });
  await guard(grove.client, { clusterId, failover: { mode: 'MANUAL' } });
}, 120_000);
destroyAfterAll(() => home);

const read = () => readCluster(grove.client, clusterId);
const named = async (name: string): Promise<Shape> =>
  (await read()).instances.nodes.find((instance: Shape) => instance.name === name);
const directoryOf = ({ id }: Shape) => join(home.directory, 'clusters', uuidOf(clusterId), uuidOf(id));
const targetOf = ({ address, port }: Shape) => ({ host: address, port });

/** kill -9 of an instance's server; until `mend`, its agent cannot start another. */
async function breakServer(instance: Shape): Promise<{ mend(): Promise<void> }> {
  const data = join(directoryOf(instance), 'data');
  const log = join(data, 'pg_wal');
  const [postmaster] = (await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n');
  await rename(log, `${log}.away`);
  signalProcess(Number(postmaster), 'SIGKILL');
  await expect.poll(async () => (await named(instance.name)).status, { timeout: 20_000 }).toBe('DOWN');
  return { mend: () => rename(`${log}.away`, log) };
}

async function isDropped(instance: Shape): Promise<void> {
  const drop = requestDrop(grove.client, { clusterId, instanceIds: [instance.id] });
  expect(await succeeded(grove.client, drop)).toMatchObject({
    verified: true,
    instances: [{ name: instance.name, status: 'REMOVED' }],
  });
  expect(processesOf(uuidOf(instance.id))).toEqual([]);
  expect(existsSync(directoryOf(instance))).toBe(false);
  expect(await read()).toMatchObject({ status: 'ACTIVE', health: { level: 'HEALTHY' } });
}

test('a replica whose agent hangs shows nothing stale, and follows again when it is asked to', async () => {
  const hanging = await named('orders-2');
  const isAgent = ({ command }: { command: string[] }) => command.includes('agent');
  const [agent] = processesOf(uuidOf(hanging.id)).filter(isAgent);
  signalProcess(agent?.pid ?? 0, 'SIGSTOP');
  await expect.poll(async () => (await named('orders-2')).status, { timeout: 30_000 }).toBe('UNREACHABLE');
  expect((await named('orders-2')).replication).toBe(null);
  const ids = { clusterId, instanceIds: [hanging.id] };
  expect(await requestRestart(grove.client, ids)).toMatchObject({ __typename: 'InstanceStatusError' });
  const { operation } = await requestRejoin(grove.client, { clusterId, instanceId: hanging.id });
  expect(await operationEnd(grove.client, operation.id)).toMatchObject({ status: 'SUCCEEDED', error: null });
  await expect.poll(async () => (await read()).health.level, { timeout: 30_000 }).toBe('HEALTHY');
  expect((await named('orders-2')).replication).toMatchObject({ state: 'streaming' });
  const [anew] = processesOf(uuidOf(hanging.id)).filter(isAgent);
  expect(anew?.pid).not.toBe(agent?.pid);
}, 120_000);

test('replicas are dropped whose host is lost or whose server is dead, while a client writes', async () => {
  const { username: user, password, database } = await revealedCredentials(grove.client, clusterId);
  const login = { user, password, database };
  const targets = [targetOf(await named('orders-1'))];
  const writer = await startRecordingWriter({ ...login, targets });
  const lost = await named('orders-3');
  await loseInstance(home, clusterId, lost.id);
  await expect.poll(async () => (await named(lost.name)).status, { timeout: 20_000 }).toBe('UNREACHABLE');
  await isDropped(lost);

  const dead = await named('orders-2');
  await breakServer(dead);
  await isDropped(dead);

  const { acknowledged } = await writer.stop();
  expect(acknowledged.length).toBeGreaterThan(0);
  for (const target of targets) expect(await lostWrites(target, login, acknowledged)).toEqual([]);
}, 120_000);

test('a cluster that is DOWN is restarted with force, and without it is not', async () => {
  const { mend } = await breakServer(await named('orders-1'));
  await expect.poll(async () => (await read()).status, { timeout: 20_000 }).toBe('DOWN');
  expect(await requestRestart(grove.client, { clusterId })).toMatchObject({ code: 'CLUSTER_STATUS' });
  const forced = requestRestart(grove.client, { clusterId, force: true });
  expect(await forced).toMatchObject({ operation: { id: expect.any(String) } });
  await mend();
  expect(await succeeded(grove.client, forced)).toMatchObject({
    restarted: [{ instance: { name: 'orders-1' } }],
  });
  expect(await read()).toMatchObject({ status: 'ACTIVE', health: { level: 'HEALTHY' } });
}, 120_000);
