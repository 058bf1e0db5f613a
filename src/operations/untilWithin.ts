import type { ClusterFacts } from '#domain/facts.ts';
import type { StepFailure } from '#domain/stepFailure.ts';
import type { StepContext } from './operation.ts';

type Wait = {
  /** For people: what is waited for. */
  what: string;
  withinMs: number;
  isReached(cluster: ClusterFacts): boolean;
  /** What the step fails with when the time is up, from the cluster as it is then. */
  failure(cluster: ClusterFacts): StepFailure;
};

/** As `until`, for what comes soon or not at all. */
export async function untilWithin(
  { until }: Pick<StepContext, 'until'>,
  { what, withinMs, isReached, failure }: Wait,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  // `until` looks at least every second.
  await until(what, (cluster) => {
    if (isReached(cluster)) return true;
    if (performance.now() > deadline) throw failure(cluster);
    return false;
  });
}
