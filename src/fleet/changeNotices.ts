import { limits } from '#domain/limits.ts';
import type { Observation } from '#domain/observation.ts';
import type { Logger } from '#lib/log/logger.ts';

type Observed = { instanceId: string; clusterId: string; observation: Observation };

export type ChangeNotices = {
  /** An observation was written. `force`: it counts as a change whatever it says. */
  observed(report: Observed, options: { force: boolean }): void;
  forget(instanceId: string): void;
  close(): Promise<void>;
};

type ChangeNoticesDeps = { logger: Logger; onInstanceChanged(clusterId: string): Promise<void> };

/** Tells of each cluster with a changed instance: one call a cluster at a time, and one more for what changed meanwhile. */
export function createChangeNotices(deps: ChangeNoticesDeps): ChangeNotices {
  return new Notices(deps);
}

class Notices implements ChangeNotices {
  readonly #deps: ChangeNoticesDeps;
  readonly #known = new Map<string, string>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #again = new Map<string, Set<string>>();

  constructor(deps: ChangeNoticesDeps) {
    this.#deps = deps;
  }

  observed({ instanceId, clusterId, observation }: Observed, { force }: { force: boolean }): void {
    const state = stateOf(observation);
    if (this.#known.get(instanceId) === state && !force) return;
    this.#known.set(instanceId, state);
    this.#notify(clusterId, instanceId);
  }

  forget(instanceId: string): void {
    this.#known.delete(instanceId);
  }

  async close(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  #notify(clusterId: string, instanceId: string): void {
    const changed = (this.#again.get(clusterId) ?? new Set()).add(instanceId);
    this.#again.set(clusterId, changed);
    if (this.#running.has(clusterId)) return;
    this.#running.set(
      clusterId,
      this.#drain(clusterId).finally(() => this.#running.delete(clusterId)),
    );
  }

  async #drain(clusterId: string): Promise<void> {
    const again = this.#again;
    for (let changed = again.get(clusterId); changed !== undefined; changed = again.get(clusterId)) {
      again.delete(clusterId);
      try {
        await this.#deps.onInstanceChanged(clusterId);
      } catch (error) {
        // Forgotten, so that the next report counts as a change and the notice is repeated.
        for (const instanceId of changed) this.#known.delete(instanceId);
        this.#deps.logger.error(
          { err: error, clusterId },
          'could not settle a cluster after a change; the next report repeats it',
        );
      }
    }
  }
}

/** What a status, its reason, or a cluster's health can turn on. Figures that move all the time are left out. */
function stateOf({ serving, reason, role, stopped, replication, followerStates }: Observation): string {
  const lagging = (replication?.lagBytes ?? 0) > limits.replicationLagBytes;
  const followed = [replication?.upstream ?? null, replication?.state ?? null, lagging];
  return JSON.stringify([serving, serving ? null : reason, role, stopped, ...followed, followerStates.toSorted()]);
}
