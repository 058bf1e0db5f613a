import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { type CommandCall, CommandFailure } from '../../instanceSide.ts';
import type { PostgresqlCommands } from '../commands.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';

const freedWithinMs = 10_000;
const pollMs = 20;

/** Replication slots that exist hold back WAL from now on: a base backup that is made after this can always catch up. */
export async function ensureSlots(
  instance: PostgresqlInstance,
  { slotNames }: PostgresqlCommands['ensureSlots']['input'],
  call: CommandCall,
): Promise<PostgresqlCommands['ensureSlots']['result']> {
  return asPrimary(instance, call, async (client) => {
    const created: string[] = [];
    for (const name of slotNames) if (await ensureSlot(client, name)) created.push(name);
    const { promotions = [] } = await instance.state();
    return { created, promotions: [...promotions] };
  });
}

/** The slots are gone; a replica that used one is cut off first. */
export async function dropSlots(
  instance: PostgresqlInstance,
  { slotNames }: PostgresqlCommands['dropSlots']['input'],
  call: CommandCall,
): Promise<PostgresqlCommands['dropSlots']['result']> {
  return asPrimary(instance, call, async (client) => {
    const dropped: string[] = [];
    for (const name of slotNames) if (await dropSlot(client, name, call.signal)) dropped.push(name);
    return { dropped };
  });
}

async function asPrimary<T>(
  instance: PostgresqlInstance,
  call: CommandCall,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  await instance.assertInitialized();
  if (await instance.isStandby()) {
    throw new CommandFailure('NOT_A_PRIMARY', `Instance ${instance.host.name} is a replica, not a primary.`);
  }
  await instance.ensureServing(call);
  return instance.withAdmin(work);
}

/** Makes the slot, also on a replica: there it holds back what its replays have not yet let go. */
export async function ensureSlot(client: Client, name: string): Promise<boolean> {
  const { rows } = await client.query<{ lost: boolean }>(
    "SELECT wal_status = 'lost' AND NOT active AS lost FROM pg_replication_slots WHERE slot_name = $1",
    [name],
  );
  const [slot] = rows;
  if (slot && !slot.lost) return false;
  if (slot) await client.query('SELECT pg_drop_replication_slot($1)', [name]);
  await client.query('SELECT pg_create_physical_replication_slot($1, true)', [name]);
  return true;
}

/** Every slot of Grove's on this server, with the sessions that use them. */
export async function dropAllSlots(client: Client, signal: AbortSignal): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    "SELECT slot_name AS name FROM pg_replication_slots WHERE slot_type = 'physical' AND slot_name LIKE 'grove\\_%'",
  );
  for (const { name } of rows) await dropSlot(client, name, signal);
}

async function dropSlot(client: Client, name: string, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + freedWithinMs;
  for (;;) {
    const { rows } = await client.query<{ pid: number | null }>(
      'SELECT active_pid AS pid FROM pg_replication_slots WHERE slot_name = $1',
      [name],
    );
    const [slot] = rows;
    if (!slot) return false;
    if (slot.pid === null) {
      await client.query('SELECT pg_drop_replication_slot($1)', [name]);
      return true;
    }
    if (performance.now() > deadline) {
      throw new CommandFailure('SLOT_IN_USE', `Replication slot ${name} is still in use.`, { retryable: true });
    }
    await client.query('SELECT pg_terminate_backend($1)', [slot.pid]);
    await delay(pollMs, undefined, { signal });
  }
}
