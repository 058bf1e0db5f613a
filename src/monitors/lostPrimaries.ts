import type { Actor } from '#domain/actor.ts';
import { DomainError } from '#domain/errors.ts';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { doubtOf, heardReplicas, type Inquiry, type Suspicion, suspicionOf } from '#domain/failoverDecision.ts';
import { wantedPrimary } from '#domain/promotion.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import type { JsonObject } from '#lib/values/json.ts';
import { accept } from '#operations/accept.ts';
import { cancelOperation } from '#operations/cancelOperation.ts';
import { loadClusterFacts } from '#operations/clusterFacts.ts';
import { promoteInstance } from '#operations/promoteInstance.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';

const everyMs = 500;
/** A watch that was broken off for longer than this begins anew: the process was frozen, or the clock was set. */
const longestBreakMs = 2500;
/** After a failover that failed the next one is not asked for before this has passed, and twice as long after each further one. */
const firstPauseMs = 30_000;
const longestPauseMs = 600_000;
/** The same after one that was refused. */
const pauseAfterRefusalMs = 5000;

type Watched = {
  suspicion: Suspicion;
  since: Date;
  sinceMs: number;
  /** What was last told to stand against a failover. Null: nothing was. */
  toldDoubt: string | null;
};

/**
 * Promotes a replica where a primary is gone beyond doubt, through the same door as a person, with what was seen in the log. An
 * operation that holds the cluster meanwhile is cancelled first. Time is counted by a clock that cannot be set, and only while this
 * watch is not broken off.
 */
export function lostPrimaries(deps: MonitorDeps, monotonicNow: () => number = () => performance.now()): Monitor {
  const watch = new PrimaryWatch(deps, monotonicNow);
  return { name: 'lost primaries', everyMs, round: () => watch.round() };
}

class PrimaryWatch {
  readonly #deps: MonitorDeps;
  readonly #monotonicNow: () => number;
  readonly #watched = new Map<string, Watched>();
  readonly #refusedUntilMs = new Map<string, number>();
  #last: { mono: number; wall: number } | null = null;

  constructor(deps: MonitorDeps, monotonicNow: () => number) {
    this.#deps = deps;
    this.#monotonicNow = monotonicNow;
  }

  async round(): Promise<void> {
    if (!this.#isUnbroken()) this.#watched.clear();
    const suspects = (await loadSuspects(this.#deps)).flatMap((cluster) => {
      const suspicion = suspicionOf(cluster, this.#deps.silence());
      return suspicion === null ? [] : [{ cluster, suspicion }];
    });
    const ids = new Set(suspects.map(({ cluster }) => cluster.id));
    for (const id of this.#watched.keys()) if (!ids.has(id)) this.#watched.delete(id);
    await Promise.all(suspects.map(({ cluster, suspicion }) => this.#look(cluster, this.#watch(cluster, suspicion))));
  }

  #isUnbroken(): boolean {
    const now = { mono: this.#monotonicNow(), wall: this.#deps.clock.now().getTime() };
    const last = this.#last;
    const passed = last === null ? null : { mono: now.mono - last.mono, wall: now.wall - last.wall };
    this.#last = now;
    return passed !== null && passed.mono <= longestBreakMs && Math.abs(passed.wall - passed.mono) <= longestBreakMs;
  }

  #watch(cluster: ClusterFacts, suspicion: Suspicion): Watched {
    const known = this.#watched.get(cluster.id);
    const since = { since: known?.since ?? this.#deps.clock.now(), sinceMs: known?.sinceMs ?? this.#monotonicNow() };
    const entry = { suspicion, ...since, toldDoubt: known?.toldDoubt ?? null };
    this.#watched.set(cluster.id, entry);
    return entry;
  }

  async #look(cluster: ClusterFacts, entry: Watched): Promise<void> {
    for (const { id } of cluster.instances) this.#deps.bus.publish(`observe:${id}`);
    const suspectedForMs = this.#monotonicNow() - entry.sinceMs;
    if (suspectedForMs < cluster.failover.detectAfterSeconds * 1000) return;
    if (this.#pausesAfterRefusal(cluster) || (await pausesAfterFailures(this.#deps, cluster))) return;
    const primary = assertPresent(wantedPrimary(cluster), 'primary');
    const presence = await presenceOf(this.#deps, cluster, primary);
    const inquiry: Inquiry = { suspicion: entry.suspicion, suspectedForMs, suspectedSince: entry.since, presence };
    const doubt = doubtOf(cluster, inquiry);
    if (doubt === null) await this.#replace(cluster, primary, inquiry);
    else this.#tellDoubt(cluster, entry, doubt);
  }

  /** It lasts for many rounds, and is told once. */
  #tellDoubt({ name: cluster }: ClusterFacts, entry: Watched, doubt: string): void {
    if (entry.toldDoubt === doubt) return;
    entry.toldDoubt = doubt;
    this.#deps.logger.info({ cluster, suspicion: entry.suspicion, doubt }, 'a primary may be gone');
  }

  async #replace(cluster: ClusterFacts, primary: InstanceFacts, inquiry: Inquiry): Promise<void> {
    const { currentOperation } = cluster;
    // A promotion is what the cluster needs, and ends soon by itself.
    if (currentOperation?.kind === 'PROMOTE_INSTANCE' || currentOperation?.status === 'CANCELLING') return;
    const granted = currentOperation
      ? await cancelForFailover(this.#deps, cluster, { operationId: currentOperation.id, primary: primary.name })
      : await askForFailover(this.#deps, cluster, evidenceOf(this.#deps, cluster, inquiry));
    if (granted) this.#refusedUntilMs.delete(cluster.id);
    else this.#refusedUntilMs.set(cluster.id, this.#monotonicNow() + pauseAfterRefusalMs);
  }

  #pausesAfterRefusal({ id }: ClusterFacts): boolean {
    return (this.#refusedUntilMs.get(id) ?? 0) > this.#monotonicNow();
  }
}

/** Clusters of automatic failover with an instance that something is wrong with. */
async function loadSuspects({ db, silence, engines }: MonitorDeps): Promise<ClusterFacts[]> {
  const { now, leaseMs } = silence();
  const clusters = await loadClusterFacts(db, {
    failoverMode: 'AUTOMATIC',
    lifecycle: 'LIVE',
    deletedAt: null,
    instances: {
      some: {
        removedAt: null,
        OR: [
          { agentLostAt: { not: null } },
          { serving: false },
          { role: 'REPLICA', activity: 'FAILED' },
          { observedAt: { lt: new Date(now.getTime() - leaseMs) } },
        ],
      },
    },
  });
  return clusters.filter(({ engine }) => engines[engine]?.promotion);
}

async function presenceOf(
  { providers, logger }: MonitorDeps,
  { id: clusterId }: ClusterFacts,
  { id: instanceId, provider }: InstanceFacts,
): Promise<Inquiry['presence']> {
  try {
    return (await providers[provider]?.inspect({ clusterId, instanceId })) ?? 'unknown';
  } catch (error) {
    logger.warn({ err: error, instanceId }, 'a provider could not say whether an instance runs');
    return 'unknown';
  }
}

/** Who was seen when, and who could take over: as it is kept in the log. */
function evidenceOf({ engines }: MonitorDeps, cluster: ClusterFacts, inquiry: Inquiry): JsonObject {
  const primary = assertPresent(wantedPrimary(cluster), 'primary');
  const heard = heardReplicas(cluster, inquiry.suspectedSince);
  const candidates = engines[cluster.engine]?.promotion?.candidates(cluster, 'FAILOVER') ?? [];
  return {
    suspicion: inquiry.suspicion,
    suspectedForMs: Math.round(inquiry.suspectedForMs),
    detectAfterSeconds: cluster.failover.detectAfterSeconds,
    primary: {
      ...sighting(primary),
      presence: inquiry.presence,
      agentLostAt: primary.agentLostAt?.toISOString() ?? null,
    },
    replicas: heard.map(sighting),
    unheard: cluster.instances
      .filter((instance) => instance.id !== primary.id && !heard.includes(instance))
      .map(({ name }) => name),
    candidates: candidates.map(({ instance, lagBytes }) => ({ name: instance.name, lagBytes })),
  };
}

const sighting = ({ name, status, observedAt, observation }: InstanceFacts): JsonObject => ({
  name,
  status,
  observedAt: observedAt?.toISOString() ?? null,
  replication: observation?.replication?.state ?? null,
  position: observation?.replication?.position ?? null,
});

/** Each failover that fails takes a primary that may be recovering down once more, so the next one comes later and later. */
async function pausesAfterFailures({ db, clock }: MonitorDeps, { id: clusterId }: ClusterFacts): Promise<boolean> {
  const now = clock.now().getTime();
  const failures = await db.operation.findMany({
    where: {
      ...{ clusterId, kind: 'PROMOTE_INSTANCE', status: 'FAILED' },
      input: { path: ['mode'], equals: 'FAILOVER' },
      finishedAt: { gt: new Date(now - longestPauseMs) },
    },
    orderBy: { finishedAt: 'desc' },
    select: { finishedAt: true },
  });
  const last = failures[0]?.finishedAt;
  if (!last) return false;
  return now - last.getTime() < Math.min(firstPauseMs * 2 ** (failures.length - 1), longestPauseMs);
}

const failoverActor = ({ projectId }: ClusterFacts): Actor => ({
  kind: 'SYSTEM',
  projectId,
  name: 'automatic failover',
});

/** False: it was refused. */
async function askForFailover(deps: MonitorDeps, cluster: ClusterFacts, evidence: JsonObject): Promise<boolean> {
  const input = { clusterId: cluster.id, mode: 'FAILOVER', evidence };
  try {
    const options = { idempotencyKey: null, expectedVersion: cluster.version };
    const { operationId } = await accept(deps, failoverActor(cluster), promoteInstance, input, options);
    deps.logger.warn({ cluster: cluster.name, operationId, evidence }, 'a primary is gone; a replica is promoted');
    return true;
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    deps.logger.warn(
      { cluster: cluster.name, evidence, reason: error.message },
      'a primary is gone; no replica can be promoted',
    );
    return false;
  }
}

/**
 * Only where the failover would be granted: what people do to mend a cluster that Grove cannot help goes on. False: it is not
 * cancelled, or cannot be and ends by itself.
 */
async function cancelForFailover(
  deps: MonitorDeps,
  cluster: ClusterFacts,
  { operationId, primary }: { operationId: string; primary: string },
): Promise<boolean> {
  if (!isFailoverPossible(deps, cluster)) return false;
  const log = { cluster: cluster.name, operationId };
  const why = `${primary}, the primary, was lost, and a replica is promoted first. Ask for it anew after that.`;
  try {
    await cancelOperation(deps, failoverActor(cluster), { operationId }, why);
    deps.logger.warn(log, 'a primary is gone; the operation that holds its cluster is cancelled');
    return true;
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    deps.logger.info(
      { ...log, reason: error.message },
      'a primary is gone; the operation that holds its cluster goes on',
    );
    return false;
  }
}

function isFailoverPossible({ engines }: MonitorDeps, cluster: ClusterFacts): boolean {
  const { maxLagBytes } = cluster.failover;
  const request = { mode: 'FAILOVER', target: null, maxLagBytes, acceptDataLoss: false } as const;
  return engines[cluster.engine]?.promotion?.blockers(cluster, request).length === 0;
}
