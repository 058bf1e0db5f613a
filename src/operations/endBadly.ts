import { randomUUID } from 'node:crypto';
import { StepFailure } from '#domain/stepFailure.ts';
import type { Logger } from '#lib/log/logger.ts';
import { ProviderError } from '#providers/provider.ts';
import { isStoreUnavailable } from '#store/storeUnavailable.ts';
import type { OperationDeps } from './deps.ts';
import type { Ending } from './ending.ts';
import { abandonOperation, failOperation } from './finishOperation.ts';
import { changeInRun, type OperationRun, type Worker } from './operationRun.ts';
import { CancelRequested, DeadlinePassed, Overtaken, WorkerStopping } from './stop.ts';
import { takeBack } from './takeBack.ts';

/** Ends the operation visibly. Throws where it is to be taken up again instead. */
export async function endBadly(
  deps: OperationDeps,
  run: OperationRun,
  reason: unknown,
  { log, stopping }: Worker,
): Promise<void> {
  if (reason instanceof Overtaken) return tellOvertaken(log);
  if (reason instanceof WorkerStopping || isStoreUnavailable(reason)) throw reason;
  const ending = describe(run, reason, log);
  const { code, message, step } = ending.error;
  log.warn({ code, step, reason: message }, `operation ends ${ending.status}`);
  await orAbandon(deps, run, { ending, log }, async () => {
    await changeInRun(deps, run, ({ tx }) =>
      tx.operation.update({ where: { id: run.operation.id }, data: { ending }, select: { id: true } }),
    );
    await takeBackAndFail(deps, run, ending, { log, stopping });
  });
}

/** As endBadly, where a worker before this one has recorded how the operation ends. */
export async function goOnEnding(
  deps: OperationDeps,
  run: OperationRun,
  ending: Ending,
  worker: Worker,
): Promise<void> {
  await orAbandon(deps, run, { ending, log: worker.log }, () => takeBackAndFail(deps, run, ending, worker));
}

async function takeBackAndFail(deps: OperationDeps, run: OperationRun, ending: Ending, worker: Worker): Promise<void> {
  const lifecycle = await takeBack(deps, run, ending, worker);
  await failOperation(deps, run, ending, lifecycle);
}

async function orAbandon(
  deps: OperationDeps,
  run: OperationRun,
  { ending, log }: { ending: Ending; log: Logger },
  end: () => Promise<void>,
): Promise<void> {
  try {
    await end();
  } catch (error) {
    if (error instanceof Overtaken) return tellOvertaken(log);
    if (error instanceof WorkerStopping || isStoreUnavailable(error)) throw error;
    log.error({ err: error }, 'a failed operation could not be settled');
    await abandonOperation(deps, run, ending);
  }
}

const tellOvertaken = (log: Logger): void => log.warn('operation was taken over by another worker');

function describe(run: OperationRun, reason: unknown, log: Logger): Ending {
  if (reason instanceof CancelRequested) {
    const error = { code: 'CANCELLED', message: reason.message, step: null, retryable: true };
    return { status: 'CANCELLED', error, stepKey: null };
  }
  const stepKey = reason instanceof Error && 'stepKey' in reason ? String(reason.stepKey) : null;
  const step = (stepKey === null ? undefined : run.steps.get(stepKey))?.name ?? null;
  return { status: 'FAILED', error: { ...explain(reason, log), step }, stepKey };
}

function explain(reason: unknown, log: Logger): Pick<Ending['error'], 'code' | 'message' | 'retryable'> {
  if (reason instanceof DeadlinePassed) return { code: 'DEADLINE_PASSED', message: reason.message, retryable: true };
  if (reason instanceof StepFailure) {
    return { code: reason.code, message: reason.message, retryable: reason.retryable };
  }
  if (reason instanceof ProviderError) {
    return { code: 'PROVIDER_FAILED', message: reason.message, retryable: reason.retryable };
  }
  const id = randomUUID();
  log.error({ err: reason, errorId: id }, 'an operation met a bug');
  return { code: 'INTERNAL', message: `Internal error ${id}`, retryable: false };
}
