import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Shape } from '../support/apiClient.ts';
import {
  acceptedCluster,
  cancelOperation,
  cursorNow,
  deletedCluster,
  eventsUntil,
  isBeginningOf,
  operationEnd,
  readCluster,
  readOperation,
  retryOperation,
  revealedCredentials,
  uuidOf,
} from '../support/clusterCalls.ts';
import { createGroveHome, destroyAfterAll, type GroveHome, type GroveProcess } from '../support/groveProcess.ts';
import { processesOf } from '../support/processTree.ts';

let home: GroveHome;
let grove: GroveProcess;

beforeAll(async () => {
  home = await createGroveHome();
  grove = await home.start();
});
destroyAfterAll(() => home);

/** Asks for a cluster and cancels its creation in the middle of a step, which ends all the same. */
async function cancelledIn(step: string, name: string): Promise<{ clusterId: string; operationId: string }> {
  const before = await cursorNow(grove.client);
  const accepted = await acceptedCluster(grove.client, { name, instanceCount: 2 });
  await eventsUntil(grove.client, before, isBeginningOf(step));
  await expectCancelled(accepted, step);
  return accepted;
}

async function expectCancelled({ clusterId, operationId }: { clusterId: string; operationId: string }, step: string) {
  expect(await cancelOperation(grove.client, operationId)).toEqual({ operation: { status: 'CANCELLING' } });
  const ended = await operationEnd(grove.client, operationId);
  expect(ended).toMatchObject({ status: 'CANCELLED', error: { code: 'CANCELLED' }, waitingFor: null });
  expect(stepNamed(ended, step)).toMatchObject({ status: 'SUCCEEDED', attempt: 1 });
  expect(stepNamed(ended, 'verify the cluster')).toMatchObject({ status: 'SKIPPED', attempt: 0 });
  expect(await readCluster(grove.client, clusterId)).toMatchObject({
    status: 'ERROR',
    statusReason: 'CREATE_CLUSTER was cancelled',
  });
}

const stepNamed = ({ steps }: Shape, name: string): Shape => steps.find((step: Shape) => step.name === name);

describe('a create that is cancelled on real machines', () => {
  test('stops at the border of its step; retried, it does the rest, and the cluster is as if nothing had been', async () => {
    const { clusterId, operationId } = await cancelledIn('bootstrap again-1', 'again');
    expect(await retryOperation(grove.client, operationId)).toEqual({
      cluster: { status: 'BUILDING' },
      operation: { status: 'QUEUED' },
    });
    expect(await operationEnd(grove.client, operationId)).toMatchObject({ status: 'SUCCEEDED', error: null });
    const { attempt, steps } = await readOperation(grove.client, operationId);
    expect(attempt).toBe(2);
    expect(stepNamed({ steps }, 'bootstrap again-1')).toMatchObject({ attempt: 1 });
    expect(await readCluster(grove.client, clusterId)).toMatchObject({
      status: 'ACTIVE',
      statusReason: null,
      health: { level: 'HEALTHY' },
    });
    await expectDataPath(clusterId);
    expect(await deletedCluster(grove.client, clusterId)).toMatchObject({ status: 'SUCCEEDED' });
  });

  test('can be cancelled again after its retry, and deleted from ERROR, and nothing is left', async () => {
    const { clusterId, operationId } = await cancelledIn('bootstrap twice-1', 'twice');
    const before = await cursorNow(grove.client);
    await retryOperation(grove.client, operationId);
    await eventsUntil(grove.client, before, isBeginningOf('join twice-2'));
    await expectCancelled({ clusterId, operationId }, 'join twice-2');
    expect(await deletedCluster(grove.client, clusterId)).toMatchObject({ status: 'SUCCEEDED', error: null });
    expect(await readCluster(grove.client, clusterId)).toMatchObject({ status: 'DELETED' });
    expect(processesOf(uuidOf(clusterId))).toEqual([]);
    for (const kept of ['clusters', 'networks']) expect(readdirSync(join(home.directory, kept))).toEqual([]);
  });
}, 90_000);

async function expectDataPath(clusterId: string): Promise<void> {
  const { uri } = await revealedCredentials(grove.client, clusterId);
  const { instances } = await readCluster(grove.client, clusterId);
  const primary = new pg.Client(uri);
  await primary.connect();
  await primary.query('CREATE TABLE item (id int PRIMARY KEY)');
  await primary.query('INSERT INTO item VALUES (1)');
  await primary.end();
  const replica = new pg.Client(uri.replace(/@[^:]+:/, `@${instances.nodes[1].address}:`));
  await replica.connect();
  const items = async () => (await replica.query("SELECT to_regclass('item') AS item")).rows[0].item;
  await expect.poll(items, { timeout: 10_000 }).toBe('item');
  await replica.end();
}
