import { afterAll, beforeAll, expect, test } from 'vitest';
import { accept } from '#operations/accept.ts';
import { createCluster } from '#operations/createCluster.ts';
import { createWaiting } from '#operations/waiting.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';

let grove: TestOperations;
beforeAll(async () => {
  grove = await createTestOperations({ working: false });
});
afterAll(() => grove.close());

test('what several steps wait for is told once, and no more when the last of them has it', async () => {
  const { db } = grove.deps;
  const actor = await grove.createActor();
  const request = { name: 'orders', engine: 'fake', instanceCount: 1 };
  const options = { idempotencyKey: null, expectedVersion: null };
  const { operationId: id } = await accept(grove.deps, actor, createCluster, request, options);
  const stored = async () => (await db.operation.findUniqueOrThrow({ where: { id } })).waitingFor;
  const waiting = createWaiting(grove.deps, await db.operation.findUniqueOrThrow({ where: { id } }));
  waiting.note('one', 'orders-1 to drop slots');
  waiting.note('two', 'orders-1 to drop slots');
  waiting.note('three', 'orders-2 to stop');
  await expect.poll(stored).toBe('orders-1 to drop slots; orders-2 to stop');
  waiting.note('one', null);
  waiting.note('three', null);
  await expect.poll(stored).toBe('orders-1 to drop slots');
  waiting.note('two', null);
  await expect.poll(stored).toBe(null);
});
