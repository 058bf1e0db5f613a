import type { Actor } from '#domain/actor.ts';
import { DomainError } from '#domain/errors.ts';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { hourMs } from '#lib/time/durations.ts';
import { accept } from '#operations/accept.ts';
import { loadClusterFacts } from '#operations/clusterFacts.ts';
import { rejoinInstance } from '#operations/rejoinInstance.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';

/** What is stopped or fenced off does not come back by itself. */
const standsStillMs = 3000;
/** A replica that has lost its connection may find it again by itself. */
const hasLostTouchMs = 45_000;
const firstPauseMs = 30_000;
const longestPauseMs = hourMs;

type Watched = { why: string; sinceMs: number; count: number; notBeforeMs: number };

type Stray = { cluster: ClusterFacts; instance: InstanceFacts; why: string };

/** Lets former primaries, and replicas that have lost their place, follow the primary again, as soon as they are there. */
export function strayInstances(deps: MonitorDeps, monotonicNow: () => number = () => performance.now()): Monitor {
  const patience = new Patience(monotonicNow);
  return {
    name: 'stray instances',
    everyMs: 2000,
    async round() {
      const strays = (await loadFreeClusters(deps)).flatMap((cluster) => straysOf(deps, cluster));
      patience.forgetAllBut(new Set(strays.map(({ instance }) => instance.id)));
      const asked = new Set<string>();
      for (const stray of strays) {
        const { cluster, instance } = stray;
        if (!patience.isOver(stray) || asked.has(cluster.id)) continue;
        asked.add(cluster.id);
        patience.renew(instance.id);
        await askToRejoin(deps, stray);
      }
    },
  };
}

/** How long each stray has been one, and when it may be asked for next: later and later. */
class Patience {
  readonly #monotonicNow: () => number;
  readonly #watched = new Map<string, Watched>();

  constructor(monotonicNow: () => number) {
    this.#monotonicNow = monotonicNow;
  }

  forgetAllBut(ids: ReadonlySet<string>): void {
    for (const id of this.#watched.keys()) if (!ids.has(id)) this.#watched.delete(id);
  }

  isOver({ instance, why }: Stray): boolean {
    const { id, observation, fencedAt } = instance;
    const now = this.#monotonicNow();
    const known = this.#watched.get(id);
    const entry =
      known?.why === why
        ? known
        : { why, sinceMs: now, count: known?.count ?? 0, notBeforeMs: known?.notBeforeMs ?? 0 };
    this.#watched.set(id, entry);
    const patience =
      fencedAt === null && observation?.serving && observation.role === 'REPLICA' ? hasLostTouchMs : standsStillMs;
    return now - entry.sinceMs >= patience && now >= entry.notBeforeMs;
  }

  renew(id: string): void {
    const entry = this.#watched.get(id);
    if (!entry) return;
    entry.notBeforeMs = this.#monotonicNow() + Math.min(firstPauseMs * 2 ** entry.count, longestPauseMs);
    entry.count += 1;
  }
}

function straysOf({ engines }: MonitorDeps, cluster: ClusterFacts): Stray[] {
  return cluster.instances.flatMap((instance) => {
    const why = engines[cluster.engine]?.promotion?.stray(cluster, instance) ?? null;
    return why === null ? [] : [{ cluster, instance, why }];
  });
}

/** Free clusters with an instance that something is wrong with: others have no stray. */
function loadFreeClusters({ db }: MonitorDeps): Promise<ClusterFacts[]> {
  return loadClusterFacts(db, {
    lifecycle: 'LIVE',
    deletedAt: null,
    healthLevel: { not: 'HEALTHY' },
    operations: { none: { finishedAt: null } },
  });
}

async function askToRejoin(deps: MonitorDeps, { cluster, instance, why }: Stray): Promise<void> {
  const actor: Actor = { kind: 'SYSTEM', projectId: cluster.projectId, name: 'automatic rejoin' };
  const log = { cluster: cluster.name, instance: instance.name, why };
  try {
    const options = { idempotencyKey: null, expectedVersion: cluster.version };
    await accept(deps, actor, rejoinInstance, { clusterId: cluster.id, instanceId: instance.id }, options);
    deps.logger.info(log, 'an instance does not follow its primary and is brought back');
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    deps.logger.info(
      { ...log, reason: error.message },
      'an instance that does not follow its primary cannot be brought back now',
    );
  }
}
