import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { Shape } from '../support/apiClient.ts';
import { createdCluster, operationEnd, readCluster, uuidOf } from '../support/clusterCalls.ts';
import { createGroveHome, destroyAfterAll, type GroveHome, type GroveProcess } from '../support/groveProcess.ts';
import { killAll, processesOf } from '../support/processTree.ts';
import { lastOperation, requestRejoin } from '../support/promotionCalls.ts';
import { requestDrop, requestRestart, succeeded } from '../support/topologyCalls.ts';

let home: GroveHome;
let grove: GroveProcess;
let clusterId: string;

beforeAll(async () => {
  home = await createGroveHome();
  grove = await home.start();
  clusterId = await createdCluster(grove.client, { name: 'orders', instanceCount: 3 });
}, 120_000);
destroyAfterAll(() => home);

const patience = { timeout: 60_000, interval: 200 };

async function named(name: string): Promise<Shape> {
  const { instances } = await readCluster(grove.client, clusterId);
  return instances.nodes.find((instance: Shape) => instance.name === name);
}

/** Removes what somebody removes who tidies up in the wrong place, and ends the server that would notice it only later. */
async function lose({ id }: Shape, what: 'data' | '.'): Promise<void> {
  const uuid = uuidOf(id);
  await rm(join(home.directory, 'clusters', uuidOf(clusterId), uuid, what), { recursive: true, force: true });
  await killAll(processesOf(uuid).filter(({ command: [program] }) => program?.endsWith('/postgres') === true));
}

const missing = (name: string) => `The data directory of instance ${name} is missing.`;

test('a replica whose data directory is gone says so, is not restarted, and is copied anew when that is asked for', async () => {
  const replica = await named('orders-2');
  await lose(replica, 'data');
  await expect.poll(async () => (await named('orders-2')).statusReason, patience).toContain(missing('orders-2'));
  const { status, statusReason } = await named('orders-2');
  expect(status).toBe('DOWN');
  expect(statusReason).toContain('rejoinInstance');
  expect(statusReason).not.toContain(home.directory);
  expect(statusReason).not.toContain('ENOENT');
  expect((await readCluster(grove.client, clusterId)).statusReason).toContain(missing('orders-2'));
  expect(await requestRestart(grove.client, { clusterId })).toMatchObject({
    __typename: 'InstanceStatusError',
    message: expect.stringContaining(missing('orders-2')),
  });
  const { operation } = await requestRejoin(grove.client, { clusterId, instanceId: replica.id });
  expect(await operationEnd(grove.client, operation.id)).toMatchObject({ status: 'SUCCEEDED' });
  await expect.poll(async () => (await readCluster(grove.client, clusterId)).status, patience).toBe('ACTIVE');
}, 180_000);

test('a replica of which nothing is left on the host is dropped', async () => {
  const replica = await named('orders-3');
  await lose(replica, '.');
  await expect.poll(async () => (await named('orders-3')).statusReason, patience).toContain(missing('orders-3'));
  const { operation } = await requestRejoin(grove.client, { clusterId, instanceId: replica.id });
  expect(await operationEnd(grove.client, operation.id)).toMatchObject({
    status: 'FAILED',
    error: { message: expect.stringContaining('drop it and add another') },
  });
  const drop = requestDrop(grove.client, { clusterId, instanceIds: [replica.id] });
  expect(await succeeded(grove.client, drop)).toMatchObject({ verified: true });
  expect(processesOf(uuidOf(replica.id))).toEqual([]);
  expect(await named('orders-3')).toBeUndefined();
}, 180_000);

test('a primary whose data directory is gone is failed over, and copied anew from its successor', async () => {
  await lose(await named('orders-1'), 'data');
  const promotion = () => lastOperation(grove.client, clusterId, 'PROMOTE_INSTANCE');
  await expect.poll(async () => (await promotion())?.status, patience).toBe('SUCCEEDED');
  expect((await promotion()).result).toMatchObject({ newPrimary: { name: 'orders-2' }, oldPrimaryRejoined: 'COPIED' });
  await expect.poll(async () => (await readCluster(grove.client, clusterId)).status, patience).toBe('ACTIVE');
}, 180_000);
