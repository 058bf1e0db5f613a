import type { ClusterFacts, InstanceFacts } from './facts.ts';
import { isArriving, isDeparting } from './instanceStatus.ts';

/**
 * The instances by which a cluster's health is judged. One that is being added or dropped does not count: the cluster is no worse
 * off for it. Where adding it fails, it counts from then on.
 */
export function members({ instances, currentOperation }: ClusterFacts): InstanceFacts[] {
  const adding = currentOperation?.kind === 'ADD_INSTANCES';
  return instances.filter((instance) => !isDeparting(instance) && !(adding && isArriving(instance)));
}
