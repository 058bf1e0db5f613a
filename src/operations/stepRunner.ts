import { StepFailure } from '#domain/stepFailure.ts';
import type { Change } from '#events/transact.ts';
import type { OperationStep } from '#generated/prisma/client.ts';
import { endsBefore } from '#lib/flow/endsBefore.ts';
import { retry } from '#lib/flow/retry.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import type { JsonObject } from '#lib/values/json.ts';
import { ProviderError } from '#providers/provider.ts';
import type { OperationDeps } from './deps.ts';
import type { RunStep, StepContext } from './operation.ts';
import { changeInRun, type OperationRun, stopIfCancelled } from './operationRun.ts';
import { createStepContext } from './stepContext.ts';
import { CancelRequested, SiblingFailed } from './stop.ts';

/** Makes the `step` function of a run, and `settled`, which waits until no step of it is running any more. */
export function createStepRunner(deps: OperationDeps, run: OperationRun): { step: RunStep; settled(): Promise<void> } {
  const running = new Set<Promise<unknown>>();
  const step: RunStep = (key, work) => {
    const result = runStep(deps, run, key, work);
    const ended = result
      .catch((error: unknown) => {
        // Who asked for the operation to stop gave its running steps their time.
        if (!(error instanceof CancelRequested)) run.stop(new SiblingFailed());
      })
      .finally(() => {
        running.delete(ended);
      });
    running.add(ended);
    return result;
  };
  return {
    step,
    async settled() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}

async function runStep<R extends JsonObject | null>(
  deps: OperationDeps,
  run: OperationRun,
  key: string,
  work: (context: StepContext) => Promise<R>,
): Promise<R> {
  const record = assertPresent(run.steps.get(key), `planned step ${key}`);
  if (isDone(record)) return record.result as R;
  run.signal.throwIfAborted();
  try {
    const { result, atEnd } = await retry(
      async (attempt) => {
        let atEnd: AtEnd = async () => {};
        await begin(deps, run, key);
        deps.logger.debug({ operationId: run.operation.id, step: record.name, attempt }, 'step begins');
        const context = await createStepContext(deps, run, key);
        const onSuccess = (also: AtEnd) => {
          atEnd = also;
        };
        const result = await endsBefore(run.signal, work({ ...context, onSuccess }));
        return { result, atEnd };
      },
      {
        attempts: deps.timing.stepAttempts,
        firstPauseMs: deps.timing.stepRetryMs,
        signal: run.signal,
        isRetryable,
        onRetry: (error) => noteRetry(deps, run, key, error),
      },
    );
    await succeed(deps, run, key, { result, atEnd });
    return result;
  } catch (error) {
    throw error instanceof Error ? Object.assign(error, { stepKey: key }) : error;
  } finally {
    run.waiting.note(key, null);
  }
}

type AtEnd = (change: Change) => Promise<void>;

const isDone = ({ status }: OperationStep): boolean => status === 'SUCCEEDED';

/** True for a failure that doing the same step again may mend. */
export const isRetryable = (error: unknown): boolean =>
  (error instanceof StepFailure || error instanceof ProviderError) && error.retryable;

async function begin(deps: OperationDeps, run: OperationRun, key: string): Promise<void> {
  const startedAt = deps.clock.now();
  await changeInRun(deps, run, async (change, cancellation) => {
    stopIfCancelled(run, cancellation);
    await writeStep(change, run, key, { status: 'RUNNING', startedAt, message: null, attempt: { increment: 1 } });
  });
}

async function succeed(
  deps: OperationDeps,
  run: OperationRun,
  key: string,
  { result, atEnd }: { result: JsonObject | null; atEnd: AtEnd },
): Promise<void> {
  await changeInRun(deps, run, async (change) => {
    const data = { status: 'SUCCEEDED' as const, message: null, finishedAt: deps.clock.now() };
    await writeStep(change, run, key, { ...data, ...(result === null ? {} : { result }) });
    await atEnd(change);
    const where = { id: run.operation.id };
    await change.tx.operation.update({ where, data: { stepsDone: { increment: 1 } }, select: { id: true } });
  });
}

/** Writes a step's record and tells its transition. */
async function writeStep(
  change: Change,
  { operation, clusterName: cluster, steps }: OperationRun,
  key: string,
  data: Parameters<Change['tx']['operationStep']['update']>[0]['data'],
): Promise<void> {
  const before = assertPresent(steps.get(key), `planned step ${key}`);
  const where = { operationId_key: { operationId: operation.id, key } };
  const after = await change.tx.operationStep.update({ where, data });
  change.afterCommit(() => steps.set(key, after));
  change.record({
    type: 'OPERATION_STEP_CHANGED',
    clusterId: operation.clusterId,
    instanceId: after.instanceId,
    operationId: operation.id,
    fromStatus: before.status,
    toStatus: after.status,
    payload: { cluster, kind: operation.kind, step: after.name, attempt: after.attempt },
  });
}

async function noteRetry(deps: OperationDeps, run: OperationRun, key: string, error: unknown): Promise<void> {
  const message = error instanceof Error ? error.message : String(error);
  deps.logger.warn({ operationId: run.operation.id, step: key, reason: message }, 'a step failed and is tried again');
  await changeInRun(deps, run, async ({ tx }) => {
    const where = { operationId_key: { operationId: run.operation.id, key } };
    const data = { failures: { increment: 1 }, message: `tried again after: ${message}` };
    run.steps.set(key, await tx.operationStep.update({ where, data }));
  });
}
