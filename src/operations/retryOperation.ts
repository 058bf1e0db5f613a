import { z } from 'zod';
import type { Actor } from '#domain/actor.ts';
import { ClusterBusyError, NotFoundError, OperationNotRetryableError } from '#domain/errors.ts';
import { canBeRetried } from '#domain/operationStatus.ts';
import { parseInput } from '#domain/parseInput.ts';
import { requirePermission } from '#domain/requirePermission.ts';
import { transact } from '#events/transact.ts';
import { Prisma } from '#generated/prisma/client.ts';
import { assertPresent } from '#lib/assertPresent.ts';
import type { Transaction } from '#store/database.ts';
import type { Accepted } from './accept.ts';
import { loadOneClusterFacts } from './clusterFacts.ts';
import { definitionOf } from './definitions.ts';
import type { OperationDeps } from './deps.ts';
import { lockCluster } from './lockCluster.ts';
import { recordOperationStatus } from './recordOperationStatus.ts';
import { settleStatuses } from './settleStatuses.ts';

const inputSchema = z.strictObject({ operationId: z.uuid() });

/** Runs an operation that failed or was cancelled again, from the step that did not succeed. */
export async function retryOperation(
  deps: Pick<OperationDeps, 'db' | 'bus' | 'clock' | 'jobs' | 'engines' | 'silence'>,
  actor: Actor,
  rawInput: unknown,
): Promise<Accepted> {
  requirePermission(actor, 'retryOperation', 'operation:control');
  const { operationId } = parseInput(inputSchema, rawInput);
  return await transact(deps, actor, async (change) => {
    const { tx } = change;
    const operation = await lockRetryable(tx, actor.projectId, operationId);
    const { clusterId, kind, status } = operation;
    const definition = definitionOf(kind);
    requirePermission(actor, 'retryOperation', definition.permission);
    const cluster = assertPresent(await loadOneClusterFacts(tx, { id: clusterId }), 'cluster');
    if (cluster.currentOperation) throw new ClusterBusyError(cluster.name, cluster.currentOperation);
    if (cluster.version !== operation.clusterVersion) {
      throw new OperationNotRetryableError(kind, 'the cluster has been changed since');
    }
    const engine = assertPresent(deps.engines[cluster.engine], 'engine');
    await definition.reopen?.(change, { cluster, engine }, operation.steps);
    const deadlineAt = new Date(deps.clock.now().getTime() + definition.deadlineMs);
    await reopenOperation(tx, operationId, deadlineAt);
    recordOperationStatus(change, { ...operation, clusterName: cluster.name }, [status, 'QUEUED']);
    await settleStatuses(deps, change, clusterId);
    await deps.jobs.sendOperation(tx, operationId, deadlineAt);
    return { operationId, clusterId };
  });
}

async function lockRetryable(tx: Transaction, projectId: string, operationId: string) {
  const operation = await tx.operation.findUnique({ where: { id: operationId, projectId } });
  if (!operation) throw new NotFoundError('The operation');
  await lockCluster(tx, operation.clusterId);
  const steps = { orderBy: { position: 'asc' } } as const;
  const locked = await tx.operation.findUniqueOrThrow({ where: { id: operationId }, include: { steps } });
  if (!canBeRetried(locked.status)) {
    throw new OperationNotRetryableError(locked.kind, `it is ${locked.status}; only FAILED and CANCELLED ones can be`);
  }
  return locked;
}

async function reopenOperation(tx: Transaction, operationId: string, deadlineAt: Date): Promise<void> {
  await tx.operationStep.updateMany({
    where: { operationId, status: { in: ['FAILED', 'SKIPPED'] } },
    data: { status: 'PENDING', message: null, finishedAt: null },
  });
  await tx.operation.update({
    where: { id: operationId },
    data: { status: 'QUEUED', finishedAt: null, error: Prisma.DbNull, cancelRequestedAt: null, deadlineAt },
  });
}
