import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { isServing } from '#domain/instanceStatus.ts';
import type { EngineContext } from '../engine.ts';
import { applySynchronous } from './applySynchronous.ts';
import type { PostgresqlCommands } from './commands.ts';
import { postgresObservation } from './observation.ts';
import { primaryOf } from './primaryOf.ts';
import { isInstanceSlot, slotName } from './slotName.ts';

/**
 * The primary holds back no WAL for the instance any more and sends it none. Where the primary does not serve, its slot stays until
 * the group next changes: it holds back no more than `max_slot_wal_keep_size`.
 */
export async function leave(context: EngineContext, leaving: InstanceFacts): Promise<void> {
  const { cluster, send } = context;
  const primary = primaryOf(cluster);
  if (!isServing(primary)) return;
  if (cluster.synchronous) {
    const rest = cluster.instances.filter(({ id }) => id !== leaving.id);
    await applySynchronous({ ...context, cluster: { ...cluster, instances: rest } });
  }
  const slotNames = [slotName(leaving.id), ...abandonedSlots(cluster, primary)];
  await send<PostgresqlCommands, 'dropSlots'>(primary, 'dropSlots', { slotNames });
}

/** Slots that the primary was last seen to have for instances that are gone. */
export function abandonedSlots({ instances }: ClusterFacts, { observation }: InstanceFacts): string[] {
  const wanted = new Set(instances.map(({ id }) => slotName(id)));
  const slots = observation === null ? [] : (postgresObservation(observation.engine)?.slots ?? []);
  return slots.map(({ name }) => name).filter((name) => isInstanceSlot(name) && !wanted.has(name));
}
