import type { Actor } from '#domain/actor.ts';
import { isCancelling } from '#domain/operationStatus.ts';
import { transact } from '#events/transact.ts';
import { assertPresent } from '#lib/assertPresent.ts';
import { isStoreUnavailable } from '#store/storeUnavailable.ts';
import { loadOneClusterFacts } from './clusterFacts.ts';
import { definitionOf } from './definitions.ts';
import type { OperationDeps } from './deps.ts';
import { failOperation, succeedOperation } from './finishOperation.ts';
import type { OperationRun } from './operationRun.ts';
import { createStepRunner } from './stepRunner.ts';
import { CancelRequested, DeadlinePassed, Overtaken, WorkerStopping } from './stop.ts';
import { createWaiting } from './waiting.ts';

/**
 * Runs an accepted operation to its end, or goes on where a worker left it. Returns when the operation has ended or belongs to
 * another worker; throws when it is to be taken up again (this process stops, or the store is away).
 * @param stopping aborted when this process is to let go of it
 */
export async function runOperation(deps: OperationDeps, operationId: string, stopping: AbortSignal): Promise<void> {
  const run = await takeUp(deps, operationId);
  if (!run) return;
  const letGo = watch(deps, run, stopping);
  const { step, settled } = createStepRunner(deps, run);
  const log = deps.logger.child({ operationId, kind: run.operation.kind });
  log.info({ attempt: run.operation.attempt }, 'operation runs');
  try {
    const cluster = assertPresent(await loadOneClusterFacts(deps.db, { id: run.operation.clusterId }), 'cluster');
    const engine = assertPresent(deps.engines[cluster.engine], `engine ${cluster.engine}`);
    const input = run.definition.input.parse(run.operation.input);
    const result = await run.definition.run({ cluster, engine, step }, input);
    await succeedOperation(deps, run, result);
    log.info('operation succeeded');
  } catch (error) {
    await settled();
    const reason = run.signal.aborted && isStop(run.signal.reason) ? run.signal.reason : error;
    if (reason instanceof Overtaken) return log.warn('operation was taken over by another worker');
    if (reason instanceof WorkerStopping || isStoreUnavailable(reason)) throw reason;
    await failOperation(deps, run, reason, log);
  } finally {
    letGo();
  }
}

const isStop = (reason: unknown): boolean =>
  reason instanceof WorkerStopping || reason instanceof DeadlinePassed || reason instanceof CancelRequested;

/** Claims the operation: from now on only this run can write. Null: it has ended. */
async function takeUp(deps: OperationDeps, operationId: string): Promise<OperationRun | null> {
  const found = await deps.db.operation.findUnique({
    where: { id: operationId },
    include: { steps: true, cluster: { select: { name: true } } },
  });
  if (!found || found.finishedAt) return null;
  const actor = found.requestedBy as unknown as Actor;
  const operation = await transact(deps, actor, async ({ tx, record }) => {
    const { count } = await tx.operation.updateMany({
      where: { id: operationId, finishedAt: null, attempt: found.attempt },
      data: {
        attempt: { increment: 1 },
        workerId: deps.workerId,
        startedAt: found.startedAt ?? deps.clock.now(),
        ...(found.status === 'QUEUED' ? { status: 'RUNNING' } : {}),
      },
    });
    if (count === 0) return null;
    if (found.status === 'QUEUED') {
      record({
        type: 'OPERATION_STATUS_CHANGED',
        clusterId: found.clusterId,
        operationId,
        fromStatus: found.status,
        toStatus: 'RUNNING',
        payload: { cluster: found.cluster.name, kind: found.kind },
      });
    }
    return await tx.operation.findUniqueOrThrow({ where: { id: operationId } });
  });
  if (!operation) return null;
  const controller = new AbortController();
  return {
    operation,
    clusterName: found.cluster.name,
    definition: definitionOf(operation.kind),
    actor,
    steps: new Map(found.steps.map((step) => [step.key, step])),
    signal: controller.signal,
    stop: (reason) => controller.abort(reason),
    waiting: createWaiting(deps, operation),
  };
}

/** Stops the run at its deadline, when this process stops, and some time after a cancellation that no step border saw. */
function watch(
  { bus, clock, db, timing, logger }: OperationDeps,
  run: OperationRun,
  stopping: AbortSignal,
): () => void {
  const { operation } = run;
  const timers = new Set<NodeJS.Timeout>();
  const after = (ms: number, action: () => void) => timers.add(setTimeout(action, ms));
  const onStopping = () => run.stop(new WorkerStopping());
  if (stopping.aborted) onStopping();
  stopping.addEventListener('abort', onStopping);
  after(Math.max(0, operation.deadlineAt.getTime() - clock.now().getTime()), () =>
    run.stop(new DeadlinePassed(operation.deadlineAt, run.waiting.inWords())),
  );
  let cancelling = false;
  const onWake = async () => {
    const now = await db.operation.findUnique({ where: { id: operation.id }, select: { status: true } });
    if (cancelling || !now || !isCancelling(now.status)) return;
    cancelling = true;
    after(timing.cancelGraceMs, () => run.stop(new CancelRequested()));
  };
  const unsubscribe = bus.subscribe(`operation:${operation.id}`, () => {
    onWake().catch((error: unknown) => logger.debug({ err: error }, 'a cancellation could not be looked up'));
  });
  if (isCancelling(operation.status)) after(timing.cancelGraceMs, () => run.stop(new CancelRequested()));
  return () => {
    stopping.removeEventListener('abort', onStopping);
    for (const timer of timers) clearTimeout(timer);
    unsubscribe();
  };
}
