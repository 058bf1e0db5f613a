import type { ClusterFacts, InstanceFacts } from './facts.ts';
import { isServing } from './instanceStatus.ts';

/** The instance that is wanted as primary, or, where none is, the one that is observed to be. Undefined: there is none. */
export function wantedPrimary({
  instances,
  primaryInstanceId,
}: Pick<ClusterFacts, 'instances' | 'primaryInstanceId'>): InstanceFacts | undefined {
  return instances.find(({ id }) => id === primaryInstanceId) ?? instances.find(({ role }) => role === 'PRIMARY');
}

/** True if the instance serves for all that is known, and its agent is there to be told something. */
export function isHealthy(instance: InstanceFacts): boolean {
  const { observation, agentLostAt, fencedAt } = instance;
  return isServing(instance) && observation?.serving === true && agentLostAt === null && fencedAt === null;
}
