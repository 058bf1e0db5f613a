import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { wantedPrimary } from '#domain/promotion.ts';
import { StepFailure } from '#domain/stepFailure.ts';

/** The instance that is wanted as primary. Throws a StepFailure where there is none. */
export function primaryOf(cluster: ClusterFacts): InstanceFacts {
  const primary = wantedPrimary(cluster);
  if (primary) return primary;
  throw new StepFailure('NO_PRIMARY', `Cluster "${cluster.name}" has no primary.`, { retryable: true });
}
