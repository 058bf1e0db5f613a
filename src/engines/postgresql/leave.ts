import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { hasServer, isServing } from '#domain/instanceStatus.ts';
import { isThere } from '#domain/promotion.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import type { EngineContext } from '../engine.ts';
import { applySynchronous } from './applySynchronous.ts';
import type { PostgresqlCommands } from './commands.ts';
import { postgresObservation } from './observation.ts';
import { primaryOf } from './primaryOf.ts';
import { isInstanceSlot, slotName } from './slotName.ts';

const reachesWithinMs = 30_000;

/**
 * The primary holds back no WAL for the instance any more and sends it none. Where the primary does not serve, its slot stays until
 * the group next changes: it holds back no more than `max_slot_wal_keep_size`.
 */
export async function leave(context: EngineContext, leaving: InstanceFacts): Promise<void> {
  const { cluster, send } = context;
  const primary = primaryOf(cluster);
  if (!isServing(primary)) return;
  const slotNames = [slotName(leaving.id), ...abandonedSlots(cluster, primary)];
  await send<PostgresqlCommands, 'dropSlots'>(primary, 'dropSlots', { slotNames });
}

/**
 * In a synchronous cluster commits wait for those that remain, and what only the leaving one has acknowledged is on one of them too: without it a failover
 * right after this would lose it, though a synchronous cluster promises that it does not.
 */
export async function release(context: EngineContext, leaving: InstanceFacts): Promise<void> {
  const { cluster, send } = context;
  if (!cluster.synchronous) return;
  const primary = primaryOf(cluster);
  if (!isServing(primary) && !isThere(primary)) {
    if (!hasServer(leaving)) return;
    throw notCovered(
      cluster,
      leaving,
      'it may have acknowledged writes that no other has, and the primary does not serve.',
    );
  }
  const rest = cluster.instances.filter(({ id }) => id !== leaving.id);
  await applySynchronous({ ...context, cluster: { ...cluster, instances: rest } });
  const { reached } = await send<PostgresqlCommands, 'awaitSynchronous'>(primary, 'awaitSynchronous', {
    withinMs: reachesWithinMs,
  });
  if (reached) return;
  const staying = cluster.instances.map((instance) => ({ ...instance, activity: 'NONE' as const }));
  await applySynchronous({ ...context, cluster: { ...cluster, instances: staying } });
  const why = `no other replica has what it may have acknowledged, ${reachesWithinMs / 1000} s after commits stopped waiting for it.`;
  throw notCovered(cluster, leaving, `${why} Bring another replica back first, or set synchronous to false.`);
}

const notCovered = (cluster: ClusterFacts, leaving: InstanceFacts, why: string): StepFailure =>
  new StepFailure(
    'WRITES_NOT_COVERED',
    `${leaving.name} cannot leave the synchronous cluster "${cluster.name}": ${why}`,
  );

/** Slots that the primary was last seen to have for instances that are gone. */
export function abandonedSlots({ instances }: ClusterFacts, { observation }: InstanceFacts): string[] {
  const wanted = new Set(instances.map(({ id }) => slotName(id)));
  const slots = observation === null ? [] : (postgresObservation(observation.engine)?.slots ?? []);
  return slots.map(({ name }) => name).filter((name) => isInstanceSlot(name) && !wanted.has(name));
}
