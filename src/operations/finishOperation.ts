import { isDeleted } from '#domain/clusterStatus.ts';
import type { Change } from '#events/transact.ts';
import type { ClusterLifecycle, OperationStatus } from '#generated/prisma/enums.ts';
import type { JsonObject } from '#lib/values/json.ts';
import type { OperationDeps } from './deps.ts';
import type { Ending, OperationError } from './ending.ts';
import { changeInRun, type OperationRun } from './operationRun.ts';
import { recordOperationStatus } from './recordOperationStatus.ts';
import { settleStatuses } from './settleStatuses.ts';

export async function succeedOperation(deps: OperationDeps, run: OperationRun, result: JsonObject): Promise<void> {
  await changeInRun(deps, run, async (change) => {
    await finish(deps, change, run, {
      status: 'SUCCEEDED',
      data: { result },
      lifecycle: run.definition.lifecycle.onSuccess,
    });
  });
}

/**
 * Ends the operation visibly: its error, the instances that it left half-done in ERROR, the cluster free.
 * @param lifecycle what the cluster's life becomes. Null: as the definition says
 */
export async function failOperation(
  deps: OperationDeps,
  run: OperationRun,
  ending: Ending,
  lifecycle: ClusterLifecycle | null,
): Promise<void> {
  const { clusterId, kind } = run.operation;
  const { status, error } = ending;
  const becomes = lifecycle ?? lifecycleAfterFailure(run);
  await changeInRun(deps, run, async (change) => {
    await closeSteps(deps, change, run, ending);
    const failure = `${kind} ${status === 'CANCELLED' ? 'was cancelled' : `failed: ${error.message}`}`;
    await change.tx.instance.updateMany({
      where: { clusterId, activity: { notIn: ['NONE', 'FAILED', 'REMOVED'] } },
      data: { activity: 'FAILED', statusReason: failure },
    });
    await finish(deps, change, run, {
      status,
      data: { error: asRetryable(run, error, becomes) },
      lifecycle: becomes,
      failure,
    });
  });
}

/** A retry helps only what can be retried: not what was taken back, nor a kind that never can. */
function asRetryable(
  { definition: { notRetryable, subject } }: OperationRun,
  error: OperationError,
  lifecycle: ClusterLifecycle | null,
): OperationError {
  const takenBack = subject.kind === 'NEW' && lifecycle !== null && isDeleted(lifecycle);
  return { ...error, retryable: error.retryable && notRetryable === undefined && !takenBack };
}

/** Before its first step has begun an operation has done nothing but announce itself, and that is taken back. */
function lifecycleAfterFailure({ operation, definition, steps }: OperationRun): ClusterLifecycle | null {
  const untouched = [...steps.values()].every(({ attempt }) => attempt === 0);
  return untouched && operation.lifecycleBefore !== null ? operation.lifecycleBefore : definition.lifecycle.onFailure;
}

type Outcome = {
  status: OperationStatus;
  data: { result: JsonObject } | { error: OperationError };
  lifecycle: ClusterLifecycle | null;
  failure?: string;
};

async function finish(
  deps: OperationDeps,
  change: Change,
  { operation, clusterName }: OperationRun,
  { status, data, lifecycle, failure }: Outcome,
): Promise<void> {
  const now = deps.clock.now();
  const where = { id: operation.id };
  const before = await change.tx.operation.findUniqueOrThrow({ where, select: { status: true } });
  await change.tx.operation.update({
    where,
    data: { ...data, status, finishedAt: now, waitingFor: null, workerId: null },
  });
  const details = 'error' in data ? { error: data.error } : {};
  recordOperationStatus(change, { ...operation, clusterName }, [before.status, status], details);
  if (lifecycle !== null) {
    const gone = lifecycle === 'DELETED' && operation.lifecycleBefore !== 'DELETED' ? { deletedAt: now } : {};
    await change.tx.cluster.update({ where: { id: operation.clusterId }, data: { lifecycle, ...gone } });
  }
  const cause = { operationId: operation.id, ...(failure === undefined ? {} : { failure }) };
  await settleStatuses(deps, change, operation.clusterId, cause);
}

/** No step of an ended operation is left running or waiting. */
async function closeSteps(
  deps: OperationDeps,
  change: Change,
  run: OperationRun,
  { error, stepKey }: Ending,
): Promise<void> {
  for (const step of run.steps.values()) {
    if (step.status === 'SUCCEEDED' || step.status === 'SKIPPED') continue;
    const failed = step.status === 'RUNNING' || step.status === 'FAILED';
    const status = failed ? 'FAILED' : 'SKIPPED';
    const message = failed ? (step.key === stepKey ? error.message : 'Stopped with its operation.') : null;
    await change.tx.operationStep.update({
      where: { operationId_key: { operationId: run.operation.id, key: step.key } },
      data: { status, message, finishedAt: deps.clock.now(), ...(failed ? { failures: { increment: 1 } } : {}) },
    });
    change.record({
      type: 'OPERATION_STEP_CHANGED',
      clusterId: run.operation.clusterId,
      instanceId: step.instanceId,
      operationId: run.operation.id,
      fromStatus: step.status,
      toStatus: status,
      payload: { cluster: run.clusterName, kind: run.operation.kind, step: step.name, attempt: step.attempt },
    });
  }
}

/**
 * The last resort, where even the failure could not be settled: the operation ends and frees the cluster, whose statuses stay as
 * they are until the next settlement.
 */
export async function abandonOperation(
  deps: OperationDeps,
  run: OperationRun,
  { status: to, error: met }: Ending,
): Promise<void> {
  const error = asRetryable(run, met, null);
  await changeInRun(deps, run, async (change) => {
    const where = { id: run.operation.id };
    const { status } = await change.tx.operation.findUniqueOrThrow({ where, select: { status: true } });
    const data = { status: to, error, finishedAt: deps.clock.now(), waitingFor: null, workerId: null };
    await change.tx.operation.update({ where, data });
    recordOperationStatus(change, { ...run.operation, clusterName: run.clusterName }, [status, to], { error });
  });
}
