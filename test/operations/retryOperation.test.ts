import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StepFailure } from '#domain/stepFailure.ts';
import { accept } from '#operations/accept.ts';
import { createCluster } from '#operations/createCluster.ts';
import { deleteCluster } from '#operations/deleteCluster.ts';
import { retryOperation } from '#operations/retryOperation.ts';
import { runOperation } from '#operations/runOperation.ts';
import { updateCluster } from '#operations/updateCluster.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';

const options = { idempotencyKey: null, expectedVersion: null };
const never = new AbortController().signal;

let grove: TestOperations;
beforeAll(async () => {
  grove = await createTestOperations({ working: false });
});
afterAll(() => grove.close());

async function acceptedCreate() {
  const actor = await grove.createActor();
  const input = { name: 'orders', engine: 'fake', instanceCount: 2 };
  return { actor, ...(await accept(grove.deps, actor, createCluster, input, options)) };
}

async function failedCreate() {
  const created = await acceptedCreate();
  grove.machines.interfere(async (call) => {
    if (call === 'join orders-2') throw new StepFailure('DISK_FULL', 'The disk of orders-2 is full.');
  });
  await runOperation(grove.deps, created.operationId, never);
  grove.machines.interfere(async () => {});
  return created;
}

const stored = (id: string) =>
  grove.deps.db.operation.findUniqueOrThrow({ where: { id }, include: { steps: { orderBy: { position: 'asc' } } } });

/** The retry is refused with this, and nothing has changed by it. */
async function expectRefusal(actor: Parameters<typeof retryOperation>[1], operationId: string, error: object) {
  const before = await stored(operationId);
  const { eventSeq } = await grove.deps.db.project.findUniqueOrThrow({ where: { id: before.projectId } });
  await expect(retryOperation(grove.deps, actor, { operationId })).rejects.toMatchObject(error);
  expect(await stored(operationId)).toEqual(before);
  expect(await grove.deps.db.project.findUniqueOrThrow({ where: { id: before.projectId } })).toMatchObject({
    eventSeq,
  });
}

describe('retryOperation is refused', () => {
  test('when the operation has not failed: it waits, it runs again, or it succeeded', async () => {
    const { actor, operationId } = await acceptedCreate();
    const refusal = (reason: string) => ({
      code: 'OPERATION_NOT_RETRYABLE',
      reason: expect.stringContaining(reason),
    });
    await expectRefusal(actor, operationId, refusal('QUEUED'));
    await runOperation(grove.deps, operationId, never);
    await expectRefusal(actor, operationId, refusal('SUCCEEDED'));
    const failed = await failedCreate();
    await retryOperation(grove.deps, failed.actor, { operationId: failed.operationId });
    await expectRefusal(failed.actor, failed.operationId, refusal('QUEUED'));
  });

  test('when the cluster has changed since: its version is another', async () => {
    const { actor, operationId, clusterId } = await failedCreate();
    await accept(grove.deps, actor, updateCluster, { clusterId, deletionProtection: true }, options);
    await expectRefusal(actor, operationId, {
      code: 'OPERATION_NOT_RETRYABLE',
      reason: 'the cluster has been changed since',
    });
  });

  test('when another operation holds the cluster, and says which', async () => {
    const { actor, operationId, clusterId } = await failedCreate();
    const deletion = await accept(grove.deps, actor, deleteCluster, { clusterId }, options);
    await expectRefusal(actor, operationId, { code: 'CLUSTER_BUSY', operationId: deletion.operationId });
    await runOperation(grove.deps, deletion.operationId, never);
    await expectRefusal(actor, operationId, { code: 'OPERATION_NOT_RETRYABLE' });
  });

  test('to all but one of several at once', async () => {
    const { actor, operationId } = await failedCreate();
    const tries = await Promise.allSettled(
      Array.from({ length: 5 }, () => retryOperation(grove.deps, actor, { operationId })),
    );
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const attempt of tries) {
      if (attempt.status === 'rejected') expect(attempt.reason).toMatchObject({ code: 'OPERATION_NOT_RETRYABLE' });
    }
  });

  test('to whom it is not for: a VIEWER, and everybody of another project', async () => {
    const { actor, operationId } = await failedCreate();
    await expectRefusal({ ...actor, role: 'VIEWER' }, operationId, { code: 'FORBIDDEN', requiredRole: 'OPERATOR' });
    await expectRefusal(await grove.createActor(), operationId, { code: 'NOT_FOUND' });
  });
});
