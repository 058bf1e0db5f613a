import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { isServing } from '#domain/instanceStatus.ts';
import type { EngineContext, ServerRestart } from '../engine.ts';
import type { PostgresqlCommands } from './commands.ts';

export async function restart({ send }: EngineContext, instance: InstanceFacts): Promise<ServerRestart> {
  return await send<PostgresqlCommands, 'restart'>(instance, 'restart', {});
}

/** The primary last; but first where it does not serve, since there is nobody to follow before it does. */
export function restartOrder({ instances, primaryInstanceId }: ClusterFacts): InstanceFacts[] {
  const primaries = instances.filter(({ id }) => id === primaryInstanceId);
  const replicas = instances.filter(({ id }) => id !== primaryInstanceId);
  return primaries.every(isServing) ? [...replicas, ...primaries] : [...primaries, ...replicas];
}
