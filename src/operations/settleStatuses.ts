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
import { assertPresent } from '#lib/values/assertPresent.ts';
import { loadOneClusterFacts } from './clusterFacts.ts';
import { lockCluster } from './lockCluster.ts';

/** `cause`: the operation that the changes come from. Null: they came by themselves. */
type Subject = { cluster: ClusterFacts; cause: string | null };

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
  subject: Subject,
  instance: InstanceFacts,
  silence: Silence,
): Promise<InstanceFacts> {
  const isWantedPrimary = wantedPrimary(subject.cluster)?.id === instance.id;
  const verdict = deriveInstanceStatus(instance, silence, { isWantedPrimary });
  const role = instance.observation?.role ?? instance.role;
  const settled = { ...instance, status: verdict.status, statusReason: verdict.reason, role };
  recordInstance(change, subject, instance, settled);
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

/** Its status and its role, each an event if it changed. */
function recordInstance(
  { record }: Change,
  { cluster, cause: operationId }: Subject,
  before: InstanceFacts,
  { status, statusReason, role }: InstanceFacts,
): void {
  const about = { clusterId: cluster.id, instanceId: before.id, operationId };
  const named = { cluster: cluster.name, instance: before.name };
  if (status !== before.status) {
    assertTransition(instanceTransitions, before.status, status, `instance ${before.name}`);
    const payload = { ...named, reason: statusReason };
    record({ ...about, type: 'INSTANCE_STATUS_CHANGED', fromStatus: before.status, toStatus: status, payload });
  }
  if (role !== before.role) {
    record({ ...about, type: 'INSTANCE_ROLE_CHANGED', fromStatus: before.role, toStatus: role, payload: named });
  }
}

const differs = (before: InstanceFacts, after: InstanceFacts): boolean =>
  before.status !== after.status || before.statusReason !== after.statusReason || before.role !== after.role;

type Settlement = Subject & {
  engine: Engine;
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
  const statusDiffers = recordStatus(change, { cluster, cause }, verdict);
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

/** True if the status differs from the stored one. */
function recordStatus(
  { record }: Change,
  { cluster, cause: operationId }: Subject,
  { status, reason }: ReturnType<typeof deriveClusterStatus>,
): boolean {
  if (status === cluster.status) return false;
  assertTransition(clusterTransitions, cluster.status, status, `cluster ${cluster.name}`);
  record({
    type: 'CLUSTER_STATUS_CHANGED',
    clusterId: cluster.id,
    operationId,
    fromStatus: cluster.status,
    toStatus: status,
    payload: { cluster: cluster.name, reason },
  });
  return true;
}

/** True if the health differs from the stored one. The change of a living cluster's level is an event; a reason's alone is not. */
function recordHealth(
  change: Change,
  { cluster, cause: operationId }: Subject,
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
