import { z } from 'zod';
import type { Actor } from '#domain/actor.ts';
import { NotFoundError, OperationNotCancellableError } from '#domain/errors.ts';
import { isCancelling, isFinished } from '#domain/operationStatus.ts';
import { parseInput } from '#domain/parseInput.ts';
import { requirePermission } from '#domain/requirePermission.ts';
import { transact } from '#events/transact.ts';
import type { Accepted } from './accept.ts';
import { definitionOf } from './definitions.ts';
import type { OperationDeps } from './deps.ts';
import { endingOf } from './ending.ts';
import { isPastReturn } from './operationRun.ts';
import { recordOperationStatus } from './recordOperationStatus.ts';

const inputSchema = z.strictObject({ operationId: z.uuid() });

/**
 * Asks an operation to stop. It stops at its next step border (or when the running step has been given its grace) and leaves the
 * cluster as it is then observed. Asking twice is asking once.
 */
export async function cancelOperation(
  deps: Pick<OperationDeps, 'db' | 'bus' | 'clock' | 'jobs'>,
  actor: Actor,
  rawInput: unknown,
  /** Of Grove's own: why. It becomes a part of the operation's error. */
  cancelReason: string | null = null,
): Promise<Accepted> {
  requirePermission(actor, 'cancelOperation', 'operation:control');
  const { operationId } = parseInput(inputSchema, rawInput);
  return await transact(deps, actor, async (change) => {
    const { tx, afterCommit } = change;
    await tx.$queryRaw`SELECT 1 FROM operation WHERE id = ${operationId}::uuid AND project_id = ${actor.projectId}::uuid FOR NO KEY UPDATE`;
    const operation = await tx.operation.findUnique({
      where: { id: operationId, projectId: actor.projectId },
      include: { steps: { select: { key: true, attempt: true } }, cluster: { select: { name: true } } },
    });
    if (!operation) throw new NotFoundError('The operation');
    const { clusterId, kind, status } = operation;
    const accepted = { operationId, clusterId };
    const refusal = (reason: string) => new OperationNotCancellableError(kind, operation.cluster.name, reason);
    if (isFinished(status)) throw refusal(`it has ended (${status})`);
    if (isPastReturn(definitionOf(kind), operation.steps)) throw refusal('it is past its point of no return');
    if (isCancelling(status)) return accepted;
    if (endingOf(operation)) throw refusal('it has failed, and ends by itself');
    const data = { status: 'CANCELLING' as const, cancelRequestedAt: deps.clock.now(), cancelReason };
    await tx.operation.update({ where: { id: operationId }, data });
    // What comes next, a failover it may be, does not wait until a worker is free to end what it has not begun.
    await deps.jobs.hasten(tx, operationId);
    recordOperationStatus(change, { ...operation, clusterName: operation.cluster.name }, [status, 'CANCELLING']);
    afterCommit(() => deps.bus.publish(`operation:${operationId}`));
    return accepted;
  });
}
