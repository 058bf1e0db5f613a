import { isDeleted } from '#domain/clusterStatus.ts';
import { ClusterBusyError, type DomainError, NotFoundError } from '#domain/errors.ts';
import type { ClusterFacts } from '#domain/facts.ts';

/** One operation at a time: the cluster is not held by another. */
export function clusterIsFree({ name, currentOperation }: ClusterFacts): DomainError[] {
  return currentOperation ? [new ClusterBusyError(name, currentOperation)] : [];
}

/** A cluster that is gone is a record, and nothing can be done to it. */
export function clusterIsThere({ name, lifecycle }: ClusterFacts): DomainError[] {
  return isDeleted(lifecycle) ? [new NotFoundError(`Cluster "${name}"`)] : [];
}
