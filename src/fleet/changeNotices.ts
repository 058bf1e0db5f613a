import { limits } from '#domain/limits.ts';
import type { Observation } from '#domain/observation.ts';
import type { Logger } from '#lib/logger.ts';

export type ChangeNotices = {
  /** An observation was written. `force`: it counts as a change whatever it says. */
  observed(
    report: { instanceId: string; clusterId: string; observation: Observation },
    options: { force: boolean },
  ): void;
  forget(instanceId: string): void;
  close(): Promise<void>;
};

type ChangeNoticesDeps = { logger: Logger; onInstanceChanged(clusterId: string): Promise<void> };

/** Tells of each cluster with a changed instance: one call a cluster at a time, and one more for what changed meanwhile. */
export function createChangeNotices({ logger, onInstanceChanged }: ChangeNoticesDeps): ChangeNotices {
  const known = new Map<string, string>();
  const running = new Map<string, Promise<void>>();
  const again = new Map<string, Set<string>>();

  function notify(clusterId: string, instanceId: string): void {
    const changed = (again.get(clusterId) ?? new Set()).add(instanceId);
    again.set(clusterId, changed);
    if (running.has(clusterId)) return;
    running.set(
      clusterId,
      drain(clusterId).finally(() => running.delete(clusterId)),
    );
  }

  async function drain(clusterId: string): Promise<void> {
    for (let changed = again.get(clusterId); changed !== undefined; changed = again.get(clusterId)) {
      again.delete(clusterId);
      try {
        await onInstanceChanged(clusterId);
      } catch (error) {
        // Forgotten, so that the next report counts as a change and the notice is repeated.
        for (const instanceId of changed) known.delete(instanceId);
        logger.error(
          { err: error, clusterId },
          'could not settle a cluster after a change; the next report repeats it',
        );
      }
    }
  }

  return {
    observed({ instanceId, clusterId, observation }, { force }) {
      const state = stateOf(observation);
      if (known.get(instanceId) === state && !force) return;
      known.set(instanceId, state);
      notify(clusterId, instanceId);
    },
    forget: (instanceId) => void known.delete(instanceId),
    async close() {
      await Promise.all(running.values());
    },
  };
}

/** What a status or a cluster's health can turn on. Figures that move all the time are left out. */
function stateOf({ serving, role, stopped, replication, followerStates }: Observation): string {
  const lagging = (replication?.lagBytes ?? 0) > limits.replicationLagBytes;
  const followed = [replication?.upstream ?? null, replication?.state ?? null, lagging];
  return JSON.stringify([serving, role, stopped, ...followed, followerStates.toSorted()]);
}
