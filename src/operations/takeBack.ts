import type { ClusterLifecycle } from '#generated/prisma/enums.ts';
import { assertPresent } from '#lib/assertPresent.ts';
import type { Logger } from '#lib/logger.ts';
import { isStoreUnavailable } from '#store/storeUnavailable.ts';
import { loadOneClusterFacts } from './clusterFacts.ts';
import type { OperationDeps } from './deps.ts';
import type { CleanUpContext } from './operation.ts';
import { changeInRun, type OperationRun } from './operationRun.ts';
import { setActivityIn } from './stepRunner.ts';
import { Overtaken } from './stop.ts';

const withinMs = 60_000;

/** Lets an operation that ends badly take back what must not stay. Answers what the cluster's life becomes; null: nothing special. */
export async function takeBack(
  deps: OperationDeps,
  run: OperationRun,
  reason: unknown,
  log: Logger,
): Promise<ClusterLifecycle | null> {
  const { operation, definition } = run;
  if (!definition.cleanUp) return null;
  try {
    const cluster = assertPresent(await loadOneClusterFacts(deps.db, { id: operation.clusterId }), 'cluster');
    const change: CleanUpContext['change'] = (work) => changeInRun(deps, run, work);
    const context = {
      cluster,
      provider: assertPresent(deps.providers[cluster.provider], `provider ${cluster.provider}`),
      backups: deps.backups,
      operationId: operation.id,
      change,
      setActivity: setActivityIn(deps, operation.clusterId, change),
      signal: AbortSignal.timeout(withinMs),
    };
    return await definition.cleanUp(context, reason);
  } catch (error) {
    if (error instanceof Overtaken || isStoreUnavailable(error)) throw error;
    log.error({ err: error }, 'what a failed operation had made could not be taken back');
    return null;
  }
}
