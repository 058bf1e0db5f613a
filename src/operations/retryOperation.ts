import { z } from 'zod';
import type { Actor } from '#domain/actor.ts';
import { ClusterBusyError, NotFoundError } from '#domain/errors.ts';
import { parseInput } from '#domain/parseInput.ts';
import { requirePermission } from '#domain/requirePermission.ts';
import { transact } from '#events/transact.ts';
import { Prisma } from '#generated/prisma/client.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import type { Transaction } from '#store/database.ts';
import type { Accepted } from './accept.ts';
import { loadOneClusterFacts } from './clusterFacts.ts';
import { definitionOf } from './definitions.ts';
import type { OperationDeps } from './deps.ts';
import type { OperationError } from './ending.ts';
import { lockCluster } from './lockCluster.ts';
import { type Facts, isUrgent, type OperationDefinition } from './operation.ts';
import { recordOperationStatus } from './recordOperationStatus.ts';
import { reopenAllSteps, reopenUnfinishedSteps } from './reopenSteps.ts';
import { retryRefusal } from './retryRefusal.ts';
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
    const operation = await lockOperation(tx, actor.projectId, operationId);
    const { clusterId, kind, status, steps } = operation;
    const definition = definitionOf(kind);
    requirePermission(actor, 'retryOperation', definition.permission);
    const cluster = assertPresent(await loadOneClusterFacts(tx, { id: clusterId }), 'cluster');
    const holder = cluster.currentOperation;
    if (holder && holder.id !== operationId) throw new ClusterBusyError(cluster.name, holder);
    const refusal = retryRefusal(operation, cluster);
    if (refusal) throw refusal;
    const facts = { cluster, engine: assertPresent(deps.engines[cluster.engine], 'engine') };
    const anew = definition.beginsAnew?.(operation.error as OperationError, steps) ?? false;
    if (anew) refuseIfBlocked(definition, facts, operation.input);
    const now = deps.clock.now();
    if (definition.reopen) {
      const input = definition.input.parse(operation.input);
      await definition.reopen(change, facts, steps, { operationId, now, input });
    }
    const deadlineAt = new Date(now.getTime() + definition.deadlineMs);
    const subject = { ...operation, clusterName: cluster.name };
    await reopenOperation(tx, operationId, deadlineAt);
    recordOperationStatus(change, subject, [status, 'QUEUED']);
    await (anew ? reopenAllSteps : reopenUnfinishedSteps)(change, subject, steps);
    await settleStatuses(deps, change, clusterId);
    await deps.jobs.sendOperation(tx, { operationId, deadlineAt, urgent: isUrgent(definition) });
    return { operationId, clusterId };
  });
}

async function lockOperation(tx: Transaction, projectId: string, operationId: string) {
  const operation = await tx.operation.findUnique({ where: { id: operationId, projectId } });
  if (!operation) throw new NotFoundError('The operation');
  await lockCluster(tx, operation.clusterId);
  const steps = { orderBy: { position: 'asc' } } as const;
  return await tx.operation.findUniqueOrThrow({ where: { id: operationId }, include: { steps } });
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
