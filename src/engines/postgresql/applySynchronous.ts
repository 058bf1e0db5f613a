import type { ClusterFacts } from '#domain/facts.ts';
import { isDeparting } from '#domain/instanceStatus.ts';
import type { EngineContext } from '../engine.ts';
import type { PostgresqlCommands } from './commands.ts';
import { primaryOf } from './primaryOf.ts';

export async function applySynchronous({ cluster, send }: EngineContext): Promise<void> {
  const primary = primaryOf(cluster);
  const synchronousStandbys = synchronousNames(cluster, primary.id);
  await send<PostgresqlCommands, 'setSynchronous'>(primary, 'setSynchronous', { synchronousStandbys });
}

/**
 * The replicas of which one must have each commit: also those that are ill, since leaving them out would let commits pass that no
 * replica has.
 */
export function synchronousNames({ synchronous, instances }: ClusterFacts, primaryId: string): string[] {
  if (!synchronous) return [];
  return instances.filter((instance) => instance.id !== primaryId && !isDeparting(instance)).map(({ name }) => name);
}
