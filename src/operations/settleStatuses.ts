import { isDeepStrictEqual } from 'node:util';
import { assertTransition } from '#domain/assertTransition.ts';
import { clusterTransitions, deriveClusterStatus, hasHealth, isDeleted } from '#domain/clusterStatus.ts';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import type { Health, HealthReason } from '#domain/health.ts';
import { deriveInstanceStatus, instanceTransitions, type Silence } from '#domain/instanceStatus.ts';
import { members } from '#domain/members.ts';
import { wantedPrimary } from '#domain/promotion.ts';
import type { Engine } from '#engines/engine.ts';
import type { Change } from '#events/transact.ts';
import { assertPresent } from '#lib/assertPresent.ts';
import { loadOneClusterFacts } from './clusterFacts.ts';
import { lockCluster } from './lockCluster.ts';

type SettleDeps = { engines: Readonly<Record<string, Engine>>; silence: () => Silence };

/**
 * Brings the stored statuses of a cluster and its instances in line with what operations do and agents observe, and records
 * each difference as an event. The only writer of any status of a cluster or an instance. Holds the cluster's row lock, so that two
 * settlements cannot tell the same transition twice.
 * @param failure why the cluster's life is FAILED, where the caller made it so
 * @param operationId the operation that causes it, where it does not hold the cluster (any more)
 */
export async function settleStatuses(
  { engines, silence }: SettleDeps,
  change: Change,
  clusterId: string,
  { failure, operationId }: { failure?: string; operationId?: string } = {},
): Promise<void> {
  if (!(await lockCluster(change.tx, clusterId))) return;
  const cluster = await loadOneClusterFacts(change.tx, { id: clusterId });
  if (!cluster) return;
  const engine = assertPresent(engines[cluster.engine], `engine ${cluster.engine}`);
  const now = silence();
  const cause = operationId ?? cluster.currentOperation?.id ?? null;
  const instances: InstanceFacts[] = [];
  for (const instance of cluster.instances)
    instances.push(await settleInstance(change, { cluster, cause }, instance, now));
  await settleClusterStatus(change, { cluster: { ...cluster, instances }, engine, cause, now: now.now, failure });
}

async function settleInstance(
  change: Change,
  { cluster, cause: operationId }: { cluster: ClusterFacts; cause: string | null },
  instance: InstanceFacts,
  silence: Silence,
): Promise<InstanceFacts> {
  const isWantedPrimary = wantedPrimary(cluster)?.id === instance.id;
  const verdict = deriveInstanceStatus(instance, silence, { isWantedPrimary });
  const role = instance.observation?.role ?? instance.role;
  const about = { clusterId: cluster.id, instanceId: instance.id };
  const named = { cluster: cluster.name, instance: instance.name };
  if (verdict.status !== instance.status) {
    assertTransition(instanceTransitions, instance.status, verdict.status, `instance ${instance.name}`);
    const payload = { ...named, reason: verdict.reason };
    change.record({
      ...about,
      type: 'INSTANCE_STATUS_CHANGED',
      operationId,
      fromStatus: instance.status,
      toStatus: verdict.status,
      payload,
    });
  }
  if (role !== instance.role) {
    change.record({
      ...about,
      type: 'INSTANCE_ROLE_CHANGED',
      operationId,
      fromStatus: instance.role,
      toStatus: role,
      payload: named,
    });
  }
  const settled = { ...instance, status: verdict.status, statusReason: verdict.reason, role };
  if (differs(instance, settled)) {
    await change.tx.instance.update({
      where: { id: instance.id },
      data: {
        status: settled.status,
        statusReason: settled.statusReason,
        role,
        ...(verdict.status === instance.status ? {} : { statusChangedAt: silence.now }),
      },
    });
  }
  return settled;
}

const differs = (before: InstanceFacts, after: InstanceFacts): boolean =>
  before.status !== after.status || before.statusReason !== after.statusReason || before.role !== after.role;

type Settlement = {
  cluster: ClusterFacts;
  engine: Engine;
  cause: string | null;
  now: Date;
  failure: string | undefined;
};

async function settleClusterStatus(
  change: Change,
  { cluster, engine, cause, now, failure }: Settlement,
): Promise<void> {
  const before = await change.tx.cluster.findUniqueOrThrow({
    where: { id: cluster.id },
    select: { healthLevel: true, healthReasons: true, statusReason: true },
  });
  const known = { level: before.healthLevel, reasons: before.healthReasons as HealthReason[] };
  const health = judgedHealth(cluster, engine, known);
  const verdict = deriveClusterStatus({
    lifecycle: cluster.lifecycle,
    operation: cluster.currentOperation?.kind ?? null,
    health,
    failure: failure ?? before.statusReason,
  });
  const healthDiffers = recordHealth(change, { cluster, cause }, known, health);
  const statusDiffers = verdict.status !== cluster.status;
  if (statusDiffers) {
    assertTransition(clusterTransitions, cluster.status, verdict.status, `cluster ${cluster.name}`);
    change.record({
      type: 'CLUSTER_STATUS_CHANGED',
      clusterId: cluster.id,
      operationId: cause,
      fromStatus: cluster.status,
      toStatus: verdict.status,
      payload: { cluster: cluster.name, reason: verdict.reason },
    });
  }
  if (!statusDiffers && !healthDiffers && verdict.reason === before.statusReason) return;
  await change.tx.cluster.update({
    where: { id: cluster.id },
    data: {
      status: verdict.status,
      statusReason: verdict.reason,
      healthLevel: health.level,
      healthReasons: health.reasons,
      ...(healthDiffers ? { healthChangedAt: now } : {}),
      ...(statusDiffers ? { statusChangedAt: now } : {}),
    },
  });
}

/** While a cluster is made or removed its health stays as it was; one that is gone has none. */
function judgedHealth(cluster: ClusterFacts, engine: Engine, known: Health): Health {
  if (hasHealth(cluster.lifecycle)) return engine.health({ ...cluster, instances: members(cluster) });
  return isDeleted(cluster.lifecycle) ? { level: 'UNKNOWN', reasons: [] } : known;
}

/** True if the health differs from the stored one. The change of a living cluster's level is an event; a reason's alone is not. */
function recordHealth(
  change: Change,
  { cluster, cause: operationId }: { cluster: ClusterFacts; cause: string | null },
  before: Health,
  health: Health,
): boolean {
  if (before.level !== health.level) {
    if (!hasHealth(cluster.lifecycle)) return true;
    change.record({
      type: 'CLUSTER_HEALTH_CHANGED',
      clusterId: cluster.id,
      operationId,
      fromStatus: before.level,
      toStatus: health.level,
      payload: { cluster: cluster.name, reasons: health.reasons },
    });
    return true;
  }
  return !isDeepStrictEqual(before.reasons, health.reasons);
}
