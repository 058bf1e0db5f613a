import { isCancelling } from '#domain/operationStatus.ts';
import type { Operation } from '#generated/prisma/client.ts';
import type { OperationDeps } from './deps.ts';
import { isPastReturn, type OperationRun } from './operationRun.ts';
import { CancelRequested, DeadlinePassed, WorkerStopping } from './stop.ts';

/** As cancelGraceMs, in milliseconds. */
const urgentGraceMs = 1000;

type Deps = Pick<OperationDeps, 'bus' | 'clock' | 'db' | 'timing' | 'logger'>;

/**
 * Stops the run at its deadline, when this process stops, and some time after a cancellation that no step border saw. Returns the function
 * that ends the watch.
 */
export function watchRun(deps: Deps, run: OperationRun, stopping: AbortSignal): () => void {
  const watches = [watchWorker(run, stopping), watchDeadline(deps, run), watchCancellation(deps, run)];
  return () => {
    for (const letGo of watches) letGo();
  };
}

function watchWorker(run: OperationRun, stopping: AbortSignal): () => void {
  const onStopping = () => run.stop(new WorkerStopping());
  if (stopping.aborted) onStopping();
  stopping.addEventListener('abort', onStopping);
  return () => stopping.removeEventListener('abort', onStopping);
}

function watchDeadline({ clock }: Deps, run: OperationRun): () => void {
  const { deadlineAt } = run.operation;
  const onDeadline = () => {
    if (run.definition.outlastsDeadline && isPastReturn(run.definition, run.steps.values())) return;
    run.stop(new DeadlinePassed(deadlineAt, run.waiting.inWords()));
  };
  const leftMs = deadlineAt.getTime() - clock.now().getTime();
  const timer = leftMs > 0 ? setTimeout(onDeadline, leftMs) : undefined;
  // One that comes too late begins nothing.
  if (timer === undefined) onDeadline();
  return () => clearTimeout(timer);
}

function watchCancellation({ bus, db, timing, logger }: Deps, run: OperationRun): () => void {
  const { id } = run.operation;
  let timer: NodeJS.Timeout | undefined;
  const onCancelled = ({ status, cancelReason }: Pick<Operation, 'status' | 'cancelReason'>) => {
    if (timer !== undefined || !isCancelling(status)) return;
    // Where Grove itself cancels, the cluster waits for what comes next.
    const graceMs = cancelReason === null ? timing.cancelGraceMs : Math.min(urgentGraceMs, timing.cancelGraceMs);
    timer = setTimeout(() => run.stop(new CancelRequested(cancelReason)), graceMs);
  };
  const onWake = async () => {
    const now = await db.operation.findUnique({ where: { id }, select: { status: true, cancelReason: true } });
    if (now) onCancelled(now);
  };
  const unsubscribe = bus.subscribe(`operation:${id}`, () => {
    onWake().catch((error: unknown) => logger.debug({ err: error }, 'a cancellation could not be looked up'));
  });
  onCancelled(run.operation);
  return () => {
    clearTimeout(timer);
    unsubscribe();
  };
}
