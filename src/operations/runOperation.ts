import { setTimeout as pause } from 'node:timers/promises';
import type { Actor } from '#domain/actor.ts';
import { isFinished, startedStatus } from '#domain/operationStatus.ts';
import { type Change, transact } from '#events/transact.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { isStoreUnavailable } from '#store/storeUnavailable.ts';
import { loadOneClusterFacts } from './clusterFacts.ts';
import { definitionOf } from './definitions.ts';
import type { OperationDeps } from './deps.ts';
import { endBadly, goOnEnding } from './endBadly.ts';
import { endingOf } from './ending.ts';
import { succeedOperation } from './finishOperation.ts';
import type { OperationRun, Worker } from './operationRun.ts';
import { recordOperationStatus } from './recordOperationStatus.ts';
import { createStepRunner } from './stepRunner.ts';
import { CancelRequested, DeadlinePassed, WorkerStopping } from './stop.ts';
import { createWaiting } from './waiting.ts';
import { watchRun } from './watchRun.ts';

/** Between two looks whether the store is back. */
const storeAwayPauseMs = 500;

/**
 * Runs an accepted operation to its end, or goes on where a worker left it, also where this one lost the store for a while. Returns
 * when the operation has ended or belongs to another worker; throws when it is to be taken up again by another run.
 * @param stopping aborted when this process is to let go of it
 */
export async function runOperation(deps: OperationDeps, operationId: string, stopping: AbortSignal): Promise<void> {
  for (;;) {
    try {
      return await runUntilLost(deps, operationId, stopping);
    } catch (error) {
      if (stopping.aborted || !isStoreUnavailable(error)) throw error;
      deps.logger.debug({ operationId, err: error }, 'operation waits for the store');
      await pause(storeAwayPauseMs, undefined, { signal: stopping });
    }
  }
}

/** As runOperation, but throws when the store is away. */
async function runUntilLost(deps: OperationDeps, operationId: string, stopping: AbortSignal): Promise<void> {
  const run = await takeUp(deps, operationId);
  if (!run) return;
  const { attempt, kind } = run.operation;
  const worker = { log: deps.logger.child({ operationId, kind }), stopping };
  const ending = endingOf(run.operation);
  if (ending) {
    worker.log.info({ attempt }, 'operation goes on ending');
    return await goOnEnding(deps, run, ending, worker);
  }
  const letGo = watchRun(deps, run, stopping);
  try {
    worker.log.info({ attempt }, 'operation runs');
    await runSteps(deps, run, worker);
  } finally {
    letGo();
  }
}

async function runSteps(deps: OperationDeps, run: OperationRun, worker: Worker): Promise<void> {
  const { step, settled } = createStepRunner(deps, run);
  try {
    const cluster = assertPresent(await loadOneClusterFacts(deps.db, { id: run.operation.clusterId }), 'cluster');
    const engine = assertPresent(deps.engines[cluster.engine], `engine ${cluster.engine}`);
    const input = run.definition.input.parse(run.operation.input);
    const planned = [...run.steps.values()].sort((one, other) => one.position - other.position);
    const result = await run.definition.run({ cluster, engine, planned, step }, input);
    await succeedOperation(deps, run, result);
    worker.log.info('operation succeeded');
  } catch (error) {
    await settled();
    const reason = run.signal.aborted && isStop(run.signal.reason) ? run.signal.reason : error;
    await endBadly(deps, run, reason, worker);
  }
}

const isStop = (reason: unknown): boolean =>
  reason instanceof WorkerStopping || reason instanceof DeadlinePassed || reason instanceof CancelRequested;

/** Claims the operation: from now on only this run can write. Null: it has ended. */
async function takeUp(deps: OperationDeps, operationId: string): Promise<OperationRun | null> {
  const asked = await deps.db.operation.findUnique({ where: { id: operationId }, select: { requestedBy: true } });
  if (!asked) return null;
  const actor = asked.requestedBy as unknown as Actor;
  const claimed = await transact(deps, actor, (change) => claim(deps, change, operationId));
  if (!claimed) return null;
  const { steps, cluster, ...operation } = claimed;
  const controller = new AbortController();
  return {
    operation,
    clusterName: cluster.name,
    definition: definitionOf(operation.kind),
    actor,
    steps: new Map(steps.map((step) => [step.key, step])),
    signal: controller.signal,
    stop: (reason) => controller.abort(reason),
    waiting: createWaiting(deps, operation),
  };
}

/** The row is held while it is read: a cancellation or another worker's last write is either seen or comes too late. */
async function claim({ clock, workerId }: OperationDeps, change: Change, id: string) {
  const { tx } = change;
  await tx.$queryRaw`SELECT 1 FROM operation WHERE id = ${id}::uuid FOR NO KEY UPDATE`;
  const found = await tx.operation.findUniqueOrThrow({
    where: { id },
    include: { cluster: { select: { name: true } } },
  });
  if (isFinished(found.status)) return null;
  const status = startedStatus(found.status);
  if (status !== found.status) {
    recordOperationStatus(change, { ...found, clusterName: found.cluster.name }, [found.status, status]);
  }
  return await tx.operation.update({
    where: { id },
    data: { attempt: { increment: 1 }, workerId, status, startedAt: found.startedAt ?? clock.now() },
    include: { steps: true, cluster: { select: { name: true } } },
  });
}
