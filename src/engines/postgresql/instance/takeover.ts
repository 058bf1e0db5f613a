import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { type CommandCall, CommandFailure } from '../../instanceSide.ts';
import type { PostgresqlCommands } from '../commands.ts';
import { readPosition } from './position.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';
import { dropAllSlots, ensureSlot } from './slots.ts';

type PrepareTakeover = PostgresqlCommands['prepareTakeover'];

const nearWithinMs = 20_000;
const pollMs = 20;

/** Makes a replica ready to become the primary, while it still is a replica: so that nothing but the promotion is left to do. */
export async function prepareTakeover(
  instance: PostgresqlInstance,
  { slotNames, synchronousStandbys, withinBytes }: PrepareTakeover['input'],
  call: CommandCall,
): Promise<PrepareTakeover['result']> {
  await instance.assertInitialized();
  await instance.ensureServing(call);
  return instance.withAdmin(async (client) => {
    if (withinBytes !== null) await comesNear(client, instance, { withinBytes, call });
    for (const name of slotNames) await ensureSlot(client, name);
    await instance.changeState({ synchronousStandbys });
    await instance.writeConfiguration();
    await client.query('SELECT pg_reload_conf()');
    return { position: await readPosition(instance, client) };
  });
}

/** The slots and the wait for other replicas are gone again. */
export async function abandonTakeover(
  instance: PostgresqlInstance,
  _input: object,
  call: CommandCall,
): Promise<PostgresqlCommands['abandonTakeover']['result']> {
  await instance.assertInitialized();
  if (!(await instance.isStandby())) return null;
  await instance.changeState({ synchronousStandbys: [] });
  await instance.writeConfiguration();
  await instance.ensureServing(call);
  await instance.withAdmin(async (client) => {
    await client.query('SELECT pg_reload_conf()');
    await dropAllSlots(client, call.signal);
  });
  return null;
}

async function comesNear(
  client: Client,
  instance: PostgresqlInstance,
  { withinBytes, call }: { withinBytes: number; call: CommandCall },
): Promise<void> {
  const deadline = performance.now() + nearWithinMs;
  for (;;) {
    const { inRecovery, streamsFrom, behindBytes } = await readPosition(instance, client);
    if (!inRecovery || (streamsFrom !== null && behindBytes <= withinBytes)) return;
    if (performance.now() > deadline) {
      const how = streamsFrom === null ? 'does not stream from its primary' : `is ${behindBytes} bytes behind`;
      throw new CommandFailure('NOT_NEAR', `${instance.host.name} ${how}; at most ${withinBytes} bytes are allowed.`);
    }
    call.progress('waiting until it has caught up');
    // A standby announces nothing when it has replayed something.
    await delay(pollMs, undefined, { signal: call.signal });
  }
}
