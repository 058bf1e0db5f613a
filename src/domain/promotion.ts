import type { ClusterFacts, InstanceFacts } from './facts.ts';
import { isDeparting, isServing, isUnreachable } from './instanceStatus.ts';

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

/**
 * True if the instance's server answers by its agent's word and the agent is there, whatever an operation does or did to it: a
 * replica that is being backed up, or whose restart failed, can take over and can say what it has.
 */
export function isThere(instance: InstanceFacts): boolean {
  const { observation, agentLostAt, fencedAt } = instance;
  if (isUnreachable(instance) || isDeparting(instance)) return false;
  return observation?.serving === true && agentLostAt === null && fencedAt === null;
}

/**
 * True if the instance was the primary before: it has the data of one, takes no writes, and its agent is there. It stopped in order to
 * hand its role over, or was fenced off, and whoever came after it may have acknowledged writes that it has not.
 */
export function isFormerPrimary(
  cluster: Pick<ClusterFacts, 'instances' | 'primaryInstanceId'>,
  { id, observation, agentLostAt }: InstanceFacts,
): boolean {
  if (id === wantedPrimary(cluster)?.id || agentLostAt !== null) return false;
  return observation?.role === 'PRIMARY' && !observation.serving;
}
