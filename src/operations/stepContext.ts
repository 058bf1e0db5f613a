import type { ClusterFacts } from '#domain/facts.ts';
import type { Topic } from '#events/bus.ts';
import { lookUntil } from '#events/lookUntil.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { loadOneClusterFacts } from './clusterFacts.ts';
import type { OperationDeps } from './deps.ts';
import type { StepContext } from './operation.ts';
import { changeInRun, type OperationRun } from './operationRun.ts';
import { settleStatuses } from './settleStatuses.ts';

/** What the work of a step gets as it begins. */
export async function createStepContext(
  deps: OperationDeps,
  run: OperationRun,
  key: string,
): Promise<Omit<StepContext, 'onSuccess'>> {
  const { operation, signal } = run;
  const cluster = await loadCluster(deps, operation.clusterId);
  const project = await deps.db.project.findUniqueOrThrow({ where: { id: operation.projectId } });
  const change = changeBefore(signal, deps, run);
  const waitingFor = (what: string | null) => run.waiting.note(key, what);
  const sentFor = { operationId: operation.id, stepKey: commandScope(run, key) };
  return {
    cluster,
    engine: assertPresent(deps.engines[cluster.engine], `engine ${cluster.engine}`),
    provider: assertPresent(deps.providers[cluster.provider], `provider ${cluster.provider}`),
    backups: deps.backups,
    operationId: operation.id,
    projectName: project.name,
    clock: deps.clock,
    timing: deps.timing,
    signal,
    waitingFor,
    send: deps.agents.sendTo({ ...sentFor, signal, onProgress: waitingFor }),
    change,
    setActivity: setActivityIn(deps, operation.clusterId, change),
    ...waitsFor(deps, run, { cluster, waitingFor }),
  };
}

/** What still goes on in the background after the signal writes no more: what the operation had made may be taken back by then. */
export function changeBefore(signal: AbortSignal, deps: OperationDeps, run: OperationRun): StepContext['change'] {
  return (work) =>
    changeInRun(deps, run, (inside) => {
      signal.throwIfAborted();
      return work(inside);
    });
}

/** The `setActivity` that goes with a `change`. */
export function setActivityIn(
  deps: OperationDeps,
  clusterId: string,
  change: StepContext['change'],
): StepContext['setActivity'] {
  return (instances, activity, also) =>
    change(async (inside) => {
      const ids = instances.map(({ id }) => id);
      await inside.tx.instance.updateMany({ where: { id: { in: ids } }, data: { activity } });
      await settleStatuses(deps, inside, clusterId);
      await also?.(inside, deps.clock.now());
    });
}

function waitsFor(
  deps: OperationDeps,
  { operation, signal }: OperationRun,
  { cluster, waitingFor }: Pick<StepContext, 'cluster' | 'waitingFor'>,
): Pick<StepContext, 'until' | 'untilIn'> {
  const ofInstances = cluster.instances.map(({ id }) => `instance:${id}` as const);
  const topics: Topic[] = [`events:${operation.projectId}`, ...ofInstances];
  const until = async (limited: AbortSignal, what: string, isReached: (now: ClusterFacts) => boolean) => {
    waitingFor(what);
    try {
      return await lookUntil(deps.bus, { topics, signal: limited }, async () => {
        const now = await loadCluster(deps, operation.clusterId);
        return isReached(now) ? now : null;
      });
    } finally {
      waitingFor(null);
    }
  };
  return {
    until: (what, isReached) => until(signal, what, isReached),
    untilIn: async (withinMs, what, isReached) => {
      const limit = AbortSignal.timeout(withinMs);
      try {
        return await until(AbortSignal.any([signal, limit]), what, isReached);
      } catch (error) {
        if (error !== limit.reason || signal.aborted) throw error;
        return null;
      }
    },
  };
}

/**
 * Under which commands are recorded: a worker that resumes a step finds those that it sent and does none twice, but after a failure
 * they are all done anew, since what they had achieved may be what is wrong.
 */
function commandScope({ steps }: OperationRun, key: string): string {
  const failures = steps.get(key)?.failures ?? 0;
  return failures === 0 ? key : `${key}#${failures}`;
}

async function loadCluster({ db }: Pick<OperationDeps, 'db'>, id: string): Promise<ClusterFacts> {
  return assertPresent(await loadOneClusterFacts(db, { id }), `cluster ${id}`);
}
