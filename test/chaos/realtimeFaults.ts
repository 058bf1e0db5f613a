import { setTimeout as pause } from 'node:timers/promises';
import type { RealtimeWorld } from './realtimeWorld.ts';

export const faultKinds = [
  'kill a node',
  'restart Redis',
  'restart PostgreSQL',
  'drop a client',
  'freeze a client',
] as const;
export type FaultKind = (typeof faultKinds)[number];

type Faults = {
  /** How many. */
  count: number;
  /** The longest time that a client is frozen, in milliseconds. */
  longestFreezeMs: number;
  tell(line: string): void;
};

const longestPauseMs = 800;
const longestRedisAwayMs = 3_000;

/**
 * Faults one after another, drawn at random, none waiting for the recovery from the one before, unless it is of the same kind.
 * Ends when all has recovered. Says how often each was done.
 */
export async function doFaults(
  world: RealtimeWorld,
  { count, longestFreezeMs, tell }: Faults,
): Promise<Map<FaultKind, number>> {
  const done = new Map<FaultKind, number>(faultKinds.map((kind) => [kind, 0]));
  const recoveries = new Map<FaultKind, Promise<void>>();
  for (let number = 1; number <= count; number += 1) {
    const kind = faultKinds[Math.floor(Math.random() * faultKinds.length)] ?? 'drop a client';
    await recoveries.get(kind);
    tell(`fault ${number} of ${count}: ${kind}`);
    recoveries.set(kind, doFault(world, kind, longestFreezeMs));
    done.set(kind, (done.get(kind) ?? 0) + 1);
    await pause(Math.random() * longestPauseMs);
  }
  await Promise.all(recoveries.values());
  return done;
}

async function doFault(world: RealtimeWorld, kind: FaultKind, longestFreezeMs: number): Promise<void> {
  const client = world.subscribers[Math.floor(Math.random() * world.subscribers.length)];
  switch (kind) {
    case 'kill a node':
      return await world.killNode(Math.random() < 0.5 ? 0 : 1);
    case 'restart Redis':
      return await world.restartRedis(Math.random() * longestRedisAwayMs);
    case 'restart PostgreSQL':
      return await world.restartPostgres();
    case 'drop a client':
      return client?.drop();
    case 'freeze a client':
      return await client?.freeze(Math.random() * longestFreezeMs);
  }
}
