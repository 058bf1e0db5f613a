import type { ClusterLifecycle, ClusterStatus, HealthLevel } from '#generated/prisma/enums.ts';
import { assertNever } from '#lib/values/assertNever.ts';
import type { Health } from './health.ts';
import type { StatusVerdict } from './instanceStatus.ts';

type ClusterView = {
  lifecycle: ClusterLifecycle;
  /** Kind of the operation that holds it. Null: it is free. */
  operation: string | null;
  health: Health;
  /** Why its life is what it is, as the operation that failed left it. */
  failure: string | null;
};

/** The headline of a cluster, from its life, its running operation and its health. Total. */
export function deriveClusterStatus({
  lifecycle,
  operation,
  health,
  failure,
}: ClusterView): StatusVerdict<ClusterStatus> {
  switch (lifecycle) {
    case 'BUILDING':
    case 'DELETING':
    case 'DELETED':
      return { status: lifecycle, reason: null };
    case 'FAILED':
      return { status: 'ERROR', reason: failure };
    case 'LIVE':
      if (operation !== null) return { status: 'BUSY', reason: null };
      return { status: freeStatus[health.level], reason: health.reasons[0]?.message ?? null };
    default:
      return assertNever(lifecycle);
  }
}

const freeStatus = {
  HEALTHY: 'ACTIVE',
  DEGRADED: 'DEGRADED',
  UNKNOWN: 'DEGRADED',
  DOWN: 'DOWN',
} as const satisfies Record<HealthLevel, ClusterStatus>;

/** Which status may follow which. Total: a status without an entry is a type error. */
export const clusterTransitions = {
  /** Gone at once: a restore that took back what it had made, or a throw-away cluster at its end. */
  BUILDING: ['ACTIVE', 'DEGRADED', 'DOWN', 'ERROR', 'DELETING', 'DELETED'],
  ACTIVE: ['DEGRADED', 'DOWN', 'BUSY', 'DELETING'],
  DEGRADED: ['ACTIVE', 'DOWN', 'BUSY', 'DELETING'],
  DOWN: ['ACTIVE', 'DEGRADED', 'BUSY', 'DELETING'],
  BUSY: ['ACTIVE', 'DEGRADED', 'DOWN', 'DELETING'],
  ERROR: ['BUILDING', 'DELETING'],
  /** Back to life: a deletion that was cancelled before it had begun. */
  DELETING: ['DELETED', 'ERROR', 'ACTIVE', 'DEGRADED', 'DOWN'],
  DELETED: [],
} as const satisfies Record<ClusterStatus, readonly ClusterStatus[]>;

/** True if changes to the running servers can be made: the cluster serves. */
export const acceptsChanges = (status: ClusterStatus): boolean => changeableStatuses.includes(status);

export const changeableStatuses: readonly ClusterStatus[] = ['ACTIVE', 'DEGRADED'];

/** Of a cluster that lives and that no operation holds, whatever its health. */
export const freeStatuses: readonly ClusterStatus[] = ['ACTIVE', 'DEGRADED', 'DOWN'];

/** What can be done about a cluster that nothing else can be done to. Null: its status asks for nothing special. */
export const wayOutOf = (status: string): string | null =>
  status === 'ERROR'
    ? 'Try the operation that failed again with retryOperation, or remove the cluster with deleteCluster.'
    : null;

/** True if an instance is known to accept writes. */
export const acceptsWrites = (health: HealthLevel): boolean => health === 'HEALTHY' || health === 'DEGRADED';

/**
 * True if the cluster's health is worth telling. While it is being made or removed its instances come and go, and each step of that
 * would look like a fault.
 */
export const hasHealth = (lifecycle: ClusterLifecycle): boolean => lifecycle === 'LIVE' || lifecycle === 'FAILED';

/** True if the cluster was built and is not being removed. */
export const isLive = (lifecycle: ClusterLifecycle): boolean => lifecycle === 'LIVE';

/** True if the cluster is gone or going. */
export const isLeaving = (lifecycle: ClusterLifecycle): boolean => lifecycle === 'DELETING' || lifecycle === 'DELETED';

/** True if nothing is left of the cluster but its record. */
export const isDeleted = (lifecycle: ClusterLifecycle): boolean => lifecycle === 'DELETED';
