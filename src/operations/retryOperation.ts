import { z } from 'zod';
import type { Actor } from '#domain/actor.ts';
import { isDeleted } from '#domain/clusterStatus.ts';
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
import type { OperationError } from './ending.ts';
import { lockCluster } from './lockCluster.ts';
import type { Facts, OperationDefinition } from './operation.ts';
import { recordOperationStatus } from './recordOperationStatus.ts';
import { reopenAllSteps, reopenUnfinishedSteps } from './reopenSteps.ts';
import { settleStatuses } from './settleStatuses.ts';

const inputSchema = z.strictObject({ operationId: z.uuid() });

/** Runs an operation that failed or was cancelled again, from the step that did not succeed; from the first where all was given back. */
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
    const { clusterId, kind, status, steps } = operation;
    const definition = definitionOf(kind);
    requirePermission(actor, 'retryOperation', definition.permission);
    const cluster = assertPresent(await loadOneClusterFacts(tx, { id: clusterId }), 'cluster');
    if (cluster.currentOperation) throw new ClusterBusyError(cluster.name, cluster.currentOperation);
    if (definition.subject.kind === 'NEW' && isDeleted(cluster.lifecycle)) {
      throw new OperationNotRetryableError(kind, 'what it had made was taken back', cluster.name);
    }
    if (cluster.version !== operation.clusterVersion) {
      throw new OperationNotRetryableError(kind, 'the cluster has been changed since', cluster.name);
    }
    const facts = { cluster, engine: assertPresent(deps.engines[cluster.engine], 'engine') };
    const anew = definition.beginsAnew?.(operation.error as OperationError) ?? false;
    if (anew) refuseIfBlocked(definition, facts, operation.input);
    await definition.reopen?.(change, facts, steps);
    const deadlineAt = new Date(deps.clock.now().getTime() + definition.deadlineMs);
    const subject = { ...operation, clusterName: cluster.name };
    await reopenOperation(tx, operationId, deadlineAt);
    recordOperationStatus(change, subject, [status, 'QUEUED']);
    await (anew ? reopenAllSteps : reopenUnfinishedSteps)(change, subject, steps);
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
  const locked = await tx.operation.findUniqueOrThrow({
    where: { id: operationId },
    include: { steps, cluster: { select: { name: true } } },
  });
  if (!canBeRetried(locked.status)) {
    const reason = `it is ${locked.status}; only FAILED and CANCELLED ones can be`;
    throw new OperationNotRetryableError(locked.kind, reason, locked.cluster.name);
  }
  return locked;
}

function refuseIfBlocked(definition: OperationDefinition<unknown>, facts: Facts, accepted: unknown): void {
  const input = definition.input.parse(accepted);
  const [blocker] = [...definition.blockers(facts), ...(definition.inputBlockers?.(facts, input) ?? [])];
  if (blocker) throw blocker;
}

async function reopenOperation(tx: Transaction, operationId: string, deadlineAt: Date): Promise<void> {
  const cleared = { error: Prisma.DbNull, ending: Prisma.DbNull, finishedAt: null };
  const uncancelled = { cancelRequestedAt: null, cancelReason: null };
  await tx.operation.update({
    where: { id: operationId },
    data: { ...cleared, ...uncancelled, status: 'QUEUED', deadlineAt },
  });
}
