import { takingBackKey } from '#domain/takingBack.ts';
import type { ClusterLifecycle } from '#generated/prisma/enums.ts';
import { endsBefore } from '#lib/flow/endsBefore.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { isStoreUnavailable } from '#store/storeUnavailable.ts';
import { loadOneClusterFacts } from './clusterFacts.ts';
import type { OperationDeps } from './deps.ts';
import type { Ending } from './ending.ts';
import type { OperationRun, Worker } from './operationRun.ts';
import { changeBefore, setActivityIn } from './stepContext.ts';
import { Overtaken, WorkerStopping } from './stop.ts';

/** What takes longer is told to give up; a job goes on for longer than this after its operation's deadline (jobs/jobs.ts). */
const withinMs = 60_000;
/** For what gives up to say so in the record. After that the operation ends without it. */
const graceMs = 30_000;

/** Lets an operation that ends badly take back what must not stay. Answers what the cluster's life becomes; null: nothing special. */
export async function takeBack(
  deps: OperationDeps,
  run: OperationRun,
  ending: Ending,
  { log, stopping }: Worker,
): Promise<ClusterLifecycle | null> {
  const { operation, definition } = run;
  if (!definition.cleanUp) return null;
  const limit = AbortSignal.any([stopping, AbortSignal.timeout(withinMs + graceMs)]);
  try {
    run.waiting.note('taking back', 'what it made to be taken back');
    const cluster = assertPresent(await loadOneClusterFacts(deps.db, { id: operation.clusterId }), 'cluster');
    const change = changeBefore(limit, deps, run);
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(withinMs)]);
    const context = {
      cluster,
      engine: assertPresent(deps.engines[cluster.engine], `engine ${cluster.engine}`),
      send: deps.agents.sendTo({ operationId: operation.id, stepKey: takingBackKey(operation.attempt), signal }),
      waitingFor: (what: string | null) => run.waiting.note('taking back', what),
      provider: assertPresent(deps.providers[cluster.provider], `provider ${cluster.provider}`),
      backups: deps.backups,
      operationId: operation.id,
      clock: deps.clock,
      change,
      setActivity: setActivityIn(deps, operation.clusterId, change),
      signal,
    };
    return await endsBefore(limit, definition.cleanUp(context, ending));
  } catch (error) {
    if (stopping.aborted) throw new WorkerStopping();
    if (error instanceof Overtaken || isStoreUnavailable(error)) throw error;
    log.error({ err: error }, 'what a failed operation had made could not be taken back');
    return null;
  } finally {
    run.waiting.note('taking back', null);
  }
}
