import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Shape } from '../support/apiClient.ts';
import {
  acceptedCluster,
  createdCluster,
  cursorNow,
  deletedCluster,
  eventsUntil,
  isBeginningOf,
  loggedEvents,
  operationEnd,
  readCluster,
  readOperation,
  requestedDeletion,
  uuidOf,
} from '../support/clusterCalls.ts';
import { createGroveHome, type GroveHome, type GroveProcess } from '../support/groveProcess.ts';
import { processesOf } from '../support/processTree.ts';

/** How soon after a start the step that was being done is begun again, in milliseconds. */
const foundAgainWithinMs = 15_000;
/** A step may end between the news of its beginning and the kill. Then the case was not met, and is tried again. */
const tries = 5;

let home: GroveHome;
beforeEach(async () => {
  home = await createGroveHome();
});
afterEach(({ task }) => home.destroy(task));

describe('a create whose Grove is killed with -9', () => {
  test.each(['create the network', 'provision orders-2', 'bootstrap orders-1', 'join orders-3', 'verify the cluster'])(
    'in the middle of "%s" goes on after the next start and succeeds',
    async (step) => {
      let grove = await home.start();
      for (let attempt = 1; ; attempt++) {
        const killed = await killInStep(grove, step, () =>
          acceptedCluster(grove.client, { name: 'orders', instanceCount: 3 }),
        );
        grove = killed.next;
        expect(await operationEnd(grove.client, killed.operationId), grove.output()).toMatchObject({
          status: 'SUCCEEDED',
          error: null,
        });
        await expectWholeCluster(grove, killed.clusterId);
        const beganAgainMs = await msFromReadyToSecondBeginning(killed);
        expect(await deletedCluster(grove.client, killed.clusterId)).toMatchObject({ status: 'SUCCEEDED' });
        expectNothingLeftOf(killed.clusterId);
        if (beganAgainMs !== null) {
          expect(beganAgainMs).toBeLessThan(foundAgainWithinMs);
          break;
        }
        expect(attempt, `"${step}" had ended before each kill`).toBeLessThan(tries);
      }
      expect(await grove.interrupt()).toMatchObject({ inOrder: true });
      expect(processesOf(home.directory)).toEqual([]);
    },
    180_000,
  );
});

test('a delete whose Grove is killed with -9 in the middle goes on after the next start, and nothing is left', async () => {
  let grove = await home.start();
  for (let attempt = 1; ; attempt++) {
    const clusterId = await createdCluster(grove.client, { name: 'orders', instanceCount: 2 });
    const killed = await killInStep(grove, 'remove orders-2', async () => ({
      clusterId,
      operationId: await requestedDeletion(grove.client, clusterId),
    }));
    grove = killed.next;
    expect(await operationEnd(grove.client, killed.operationId)).toMatchObject({ status: 'SUCCEEDED', error: null });
    expect(await readCluster(grove.client, clusterId)).toMatchObject({ status: 'DELETED' });
    expectNothingLeftOf(clusterId);
    const beganAgainMs = await msFromReadyToSecondBeginning(killed);
    if (beganAgainMs !== null) {
      expect(beganAgainMs).toBeLessThan(foundAgainWithinMs);
      break;
    }
    expect(attempt, 'the step had ended before each kill').toBeLessThan(tries);
  }
  expect(await grove.interrupt()).toMatchObject({ inOrder: true });
}, 180_000);

type Killed = {
  step: string;
  clusterId: string;
  operationId: string;
  /** The cursor before anything of it. */
  before: string;
  killedAt: number;
  next: GroveProcess;
  readyAt: number;
};

/** Asks for an operation, kills Grove as soon as the step is told to have begun, and starts the next one. */
async function killInStep(
  grove: GroveProcess,
  step: string,
  ask: () => Promise<{ clusterId: string; operationId: string }>,
): Promise<Killed> {
  const before = await cursorNow(grove.client);
  const [asked] = await Promise.all([ask(), eventsUntil(grove.client, before, isBeginningOf(step))]);
  const killedAt = Date.now();
  await grove.kill();
  const next = await home.start();
  return { ...asked, step, before, killedAt, next, readyAt: Date.now() };
}

/** Null: the step was not being done when Grove was killed. */
async function msFromReadyToSecondBeginning({ next, step, operationId, before, killedAt, readyAt }: Killed) {
  const beginnings = (await loggedEvents(next.client, before)).filter(isBeginningOf(step));
  const again = beginnings.find(({ at }: Shape) => new Date(at).getTime() > killedAt);
  if (!again) return null;
  expect(again).toMatchObject({ fromStatus: 'RUNNING', payload: { attempt: 2 } });
  const { attempt, steps } = await readOperation(next.client, operationId);
  expect(attempt).toBe(2);
  expect(steps.find(({ name }: Shape) => name === step).attempt).toBeGreaterThanOrEqual(2);
  return new Date(again.at).getTime() - readyAt;
}

async function expectWholeCluster(grove: GroveProcess, clusterId: string): Promise<void> {
  const cluster = await readCluster(grove.client, clusterId);
  expect(cluster).toMatchObject({ status: 'ACTIVE', health: { level: 'HEALTHY' } });
  expect(cluster.instances.nodes.map(({ status, role }: Shape) => `${status} ${role}`)).toEqual([
    'ACTIVE PRIMARY',
    'ACTIVE REPLICA',
    'ACTIVE REPLICA',
  ]);
  const uuid = uuidOf(clusterId);
  const agents = processesOf(uuid).filter(
    ({ command }) => command.includes('agent') && command.some((word) => word.includes(uuid)),
  );
  expect(agents).toHaveLength(3);
}

function expectNothingLeftOf(clusterId: string): void {
  expect(processesOf(uuidOf(clusterId))).toEqual([]);
  for (const kept of ['clusters', 'networks']) expect(readdirSync(join(home.directory, kept))).toEqual([]);
}
