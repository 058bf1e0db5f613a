import { afterAll, beforeAll, expect, test } from 'vitest';
import { accept } from '#operations/accept.ts';
import { addInstances } from '#operations/addInstances.ts';
import { createCluster } from '#operations/createCluster.ts';
import type { OperationDefinition } from '#operations/operation.ts';
import { planOperation } from '#operations/planOperation.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { activeCluster, once } from './clusterWorld.ts';

let grove: TestOperations;
beforeAll(async () => {
  grove = await createTestOperations({ working: false });
});
afterAll(() => grove.close());

const largest = 2 ** 31 - 1;

/** A list of that many entries would end the process long before. */
async function atOnce<T>(work: () => Promise<T>): Promise<T> {
  const heap = process.memoryUsage().heapUsed;
  const started = performance.now();
  try {
    return await work();
  } finally {
    expect(performance.now() - started).toBeLessThan(1000);
    expect(process.memoryUsage().heapUsed - heap).toBeLessThan(64 * 2 ** 20);
  }
}

test.each([17, 100_000, largest])('%i instances are refused at once, planned or real', async (count) => {
  const { actor, clusterId } = await activeCluster(grove, 1);
  const requests: [OperationDefinition<never>, object][] = [
    [addInstances as OperationDefinition<never>, { clusterId, count }],
    [createCluster as OperationDefinition<never>, { name: 'more', engine: 'fake', instanceCount: count }],
  ];
  const topology = { code: 'TOPOLOGY', rule: 'INSTANCE_COUNT', maximum: 16 };
  for (const [definition, input] of requests) {
    const planned = await atOnce(() => planOperation(grove.deps, actor, definition, input, once));
    expect(planned).toMatchObject({ steps: [], blockers: [topology], quota: [] });
    await atOnce(() => expect(accept(grove.deps, actor, definition, input, once)).rejects.toMatchObject(topology));
  }
  expect(await grove.deps.db.cluster.count({ where: { projectId: actor.projectId } })).toBe(1);
});
