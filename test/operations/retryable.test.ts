import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OperationKind } from '#generated/prisma/enums.ts';
import { accept } from '#operations/accept.ts';
import { backupCluster } from '#operations/backupCluster.ts';
import { cancelOperation } from '#operations/cancelOperation.ts';
import { createCluster } from '#operations/createCluster.ts';
import { definitionOf } from '#operations/definitions.ts';
import { retryOperation } from '#operations/retryOperation.ts';
import { retryRefusal } from '#operations/retryRefusal.ts';
import { runOperation } from '#operations/runOperation.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';

const options = { idempotencyKey: null, expectedVersion: null };
const never = new AbortController().signal;

let grove: TestOperations;
beforeAll(async () => {
  grove = await createTestOperations({ working: false });
});
afterAll(() => grove.close());

async function orders() {
  const actor = await grove.createActor();
  const request = { name: 'orders', engine: 'fake', instanceCount: 1 };
  const created = await accept(grove.deps, actor, createCluster, request, options);
  await runOperation(grove.deps, created.operationId, never);
  return { actor, ...created };
}

/** Where the operation of a kind leaves its cluster when it ends badly, and whether all of it was taken back. */
const leaves = (kind: OperationKind, takenBack: boolean) => {
  if (takenBack) return { lifecycle: 'DELETED', status: 'DELETED' } as const;
  if (definitionOf(kind).subject.kind === 'NEW') return { lifecycle: 'FAILED', status: 'ERROR' } as const;
  return kind === 'DELETE_CLUSTER' ? ({ lifecycle: 'FAILED', status: 'ERROR' } as const) : {};
};

/** What a cluster of one instance without a backup has against them, whatever is told of the operation. */
const otherRefusals: Partial<Record<OperationKind, string>> = {
  DELETE_BACKUP: 'NOT_FOUND',
  PROMOTE_INSTANCE: 'INSTANCE_NOT_PROMOTABLE',
};

/** Of the kinds that look at it again. */
const inputs: Partial<Record<OperationKind, object>> = {
  CREATE_CLUSTER: { name: 'orders', engine: 'fake', instanceCount: 1 },
  DELETE_CLUSTER: { clusterId: crypto.randomUUID() },
  PROMOTE_INSTANCE: { clusterId: crypto.randomUUID(), mode: 'PLANNED' },
  ADD_INSTANCES: { clusterId: crypto.randomUUID(), count: 1 },
  DROP_INSTANCES: { clusterId: crypto.randomUUID(), instanceIds: [crypto.randomUUID()] },
  RESTORE_CLUSTER: { backupId: crypto.randomUUID(), name: 'again' },
  VERIFY_BACKUP: { backupId: crypto.randomUUID() },
  DELETE_BACKUP: { clusterId: crypto.randomUUID(), backupId: crypto.randomUUID() },
};

const cases = Object.values(OperationKind).flatMap((kind) => {
  const isNew = definitionOf(kind).subject.kind === 'NEW';
  const asLeft = { kind, changed: false, takenBack: false, retryable: kind !== 'BACKUP_CLUSTER' };
  return [
    { ...asLeft, status: 'FAILED' as const },
    { ...asLeft, status: 'CANCELLED' as const },
    { ...asLeft, status: 'FAILED' as const, changed: true, retryable: false },
    ...(isNew ? [{ ...asLeft, status: 'CANCELLED' as const, takenBack: true, retryable: false }] : []),
  ];
});

describe('an operation is told to be retryable exactly where retryOperation takes it', () => {
  test.each(cases)('$kind $status, changed since: $changed, taken back: $takenBack → $retryable', async (one) => {
    const { actor, clusterId, operationId: made } = await orders();
    const { db } = grove.deps;
    const { version, ...cluster } = await db.cluster.update({
      where: { id: clusterId },
      data: leaves(one.kind, one.takenBack),
    });
    const { id: _, ...created } = await db.operation.findUniqueOrThrow({ where: { id: made } });
    const { id: operationId, ...operation } = await db.operation.create({
      data: {
        ...created,
        ...{ kind: one.kind, status: one.status, clusterVersion: one.changed ? version - 1 : version },
        ...{ input: inputs[one.kind] ?? {}, result: {}, ending: {}, requestedBy: actor, inputHash: new Uint8Array(32) },
        error: { code: 'CANCELLED', message: 'It was asked to stop.', step: null, retryable: true },
      },
    });
    expect(retryRefusal(operation, { ...cluster, version }) === null).toBe(one.retryable);
    const retry = retryOperation(grove.deps, actor, { operationId });
    const other = otherRefusals[one.kind];
    if (one.retryable && other) await expect(retry).rejects.toMatchObject({ code: other });
    else if (one.retryable) expect(await retry).toEqual({ operationId, clusterId });
    else await expect(retry).rejects.toMatchObject({ code: 'OPERATION_NOT_RETRYABLE' });
  });
});

test('a backup that is cancelled is recorded as not retryable', async () => {
  const { actor, clusterId } = await orders();
  const { operationId } = await accept(grove.deps, actor, backupCluster, { clusterId }, options);
  await cancelOperation(grove.deps, actor, { operationId });
  await runOperation(grove.deps, operationId, never);
  expect(await grove.deps.db.operation.findUnique({ where: { id: operationId } })).toMatchObject({
    status: 'CANCELLED',
    error: { code: 'CANCELLED', retryable: false },
  });
});
