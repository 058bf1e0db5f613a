import { isDeleted } from '#domain/clusterStatus.ts';
import { ClusterBusyError, ClusterStatusError, type DomainError, NotFoundError } from '#domain/errors.ts';
import type { ClusterFacts } from '#domain/facts.ts';
import type { ClusterStatus } from '#generated/prisma/enums.ts';

/** One operation at a time: the cluster is not held by another. */
export function clusterIsFree({ name, currentOperation }: ClusterFacts): DomainError[] {
  return currentOperation ? [new ClusterBusyError(name, currentOperation)] : [];
}

/** A cluster that is gone is a record, and nothing can be done to it. */
export function clusterIsThere({ name, lifecycle }: ClusterFacts): DomainError[] {
  return isDeleted(lifecycle) ? [new NotFoundError(`Cluster "${name}"`)] : [];
}

/** An id that is unknown, of another project or of another cluster of this one: never told apart. */
export const notOfCluster = ({ name }: Pick<ClusterFacts, 'name'>): NotFoundError =>
  new NotFoundError('The instance', `is none of cluster "${name}"`);

/** The cluster is there, no operation holds it, and its status is one of these. */
export function clusterIsReady(
  cluster: ClusterFacts,
  allowed: readonly ClusterStatus[],
  wayOut?: string,
): DomainError[] {
  const { name, status } = cluster;
  const [obstacle] = [...clusterIsThere(cluster), ...clusterIsFree(cluster)];
  if (obstacle) return [obstacle];
  return allowed.includes(status) ? [] : [new ClusterStatusError(name, status, allowed, wayOut)];
}
