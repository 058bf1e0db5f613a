import { afterAll, beforeAll, expect, test } from 'vitest';
import { accept } from '#operations/accept.ts';
import { addInstances } from '#operations/addInstances.ts';
import { cancelOperation } from '#operations/cancelOperation.ts';
import { createCluster } from '#operations/createCluster.ts';
import type { OperationDefinition } from '#operations/operation.ts';
import { promoteInstance } from '#operations/promoteInstance.ts';
import { restartCluster } from '#operations/restartCluster.ts';
import { retryOperation } from '#operations/retryOperation.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { losePrimary, once, operationOf, type TestCluster } from './clusterWorld.ts';

let grove: TestOperations;
beforeAll(async () => {
  grove = await createTestOperations({ concurrency: 1 });
});
afterAll(() => grove.close());

async function accepted<Input>(
  { actor, clusterId }: TestCluster,
  definition: OperationDefinition<Input>,
  input: object,
): Promise<string> {
  return (await accept(grove.deps, actor, definition, { clusterId, ...input }, once)).operationId;
}

async function builtCluster(instanceCount: number): Promise<TestCluster> {
  const actor = await grove.createActor();
  const input = { name: 'orders', engine: 'fake', instanceCount };
  const { clusterId, operationId } = await accept(grove.deps, actor, createCluster, input, once);
  await grove.ended(operationId);
  return { actor, clusterId };
}

const statusOf = async (operationId: string) => (await operationOf(grove, operationId)).status;

test('while the only worker is held, a failover goes on, and so does the end of what is cancelled for it', async () => {
  const other = await builtCluster(1);
  const subject = await builtCluster(2);
  const held = Promise.withResolvers<void>();
  grove.machines.interfere(async (call) => {
    if (call.startsWith('restart')) await held.promise;
    if (call === 'elect') throw new Error('It does not answer.');
  });
  const long = await accepted(other, restartCluster, {});
  await expect.poll(() => statusOf(long), { timeout: 10_000 }).toBe('RUNNING');

  const addition = await accepted(subject, addInstances, { count: 1 });
  await losePrimary(grove, subject);
  await cancelOperation(grove.deps, subject.actor, { operationId: addition });
  expect(await grove.ended(addition)).toMatchObject({ status: 'CANCELLED', attempt: 1 });
  const failover = await accepted(subject, promoteInstance, { mode: 'FAILOVER' });
  expect(await grove.ended(failover)).toMatchObject({ status: 'FAILED' });
  grove.machines.interfere(async (call) => {
    if (call.startsWith('restart')) await held.promise;
  });
  await retryOperation(grove.deps, subject.actor, { operationId: failover });
  expect(await grove.ended(failover)).toMatchObject({ status: 'SUCCEEDED' });

  expect(await statusOf(long)).toBe('RUNNING');
  held.resolve();
  expect(await grove.ended(long)).toMatchObject({ status: 'SUCCEEDED' });
}, 60_000);
