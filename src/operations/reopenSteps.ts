import type { Change } from '#events/transact.ts';
import { type Operation, type OperationStep, Prisma } from '#generated/prisma/client.ts';

type Subject = Pick<Operation, 'id' | 'clusterId' | 'kind'> & { clusterName: string };

/** In the transaction of a retry: the steps that did not succeed wait again. */
export async function reopenUnfinishedSteps(
  change: Change,
  operation: Subject,
  steps: readonly OperationStep[],
): Promise<void> {
  for (const step of steps) {
    if (step.status !== 'FAILED' && step.status !== 'SKIPPED') continue;
    await waitAgain(change, operation, step, {});
  }
}

/**
 * In the transaction of a retry: all steps wait again, as if none had ever begun. Counted as failed, so that the commands of their first
 * time are sent anew instead of answered from the record.
 */
export async function reopenAllSteps(
  change: Change,
  operation: Subject,
  steps: readonly OperationStep[],
): Promise<void> {
  for (const step of steps) {
    const failures = { increment: step.attempt > 0 ? 1 : 0 };
    await waitAgain(change, operation, step, { attempt: 0, failures, result: Prisma.DbNull, startedAt: null });
  }
  await change.tx.operation.update({ where: { id: operation.id }, data: { stepsDone: 0 }, select: { id: true } });
}

async function waitAgain(
  { tx, record }: Change,
  { id: operationId, clusterId, kind, clusterName: cluster }: Subject,
  { key, name, instanceId, status: fromStatus }: OperationStep,
  data: Prisma.OperationStepUpdateInput,
): Promise<void> {
  const { status: toStatus, attempt } = await tx.operationStep.update({
    where: { operationId_key: { operationId, key } },
    data: { ...data, status: 'PENDING', message: null, finishedAt: null },
    select: { status: true, attempt: true },
  });
  const payload = { cluster, kind, step: name, attempt };
  const about = { clusterId, instanceId, operationId };
  record({ type: 'OPERATION_STEP_CHANGED', ...about, fromStatus, toStatus, payload });
}
