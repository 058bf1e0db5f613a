import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { type CommandCall, CommandFailure } from '../../instanceSide.ts';
import type { PostgresqlCommands } from '../commands.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';
import { synchronousStandbyNames } from './serverSettings.ts';

const inForceWithinMs = 10_000;
const pollMs = 20;

type SetSynchronous = PostgresqlCommands['setSynchronous'];
type AwaitSynchronous = PostgresqlCommands['awaitSynchronous'];

/** Which replicas a commit waits for, in force on return: PostgreSQL releases those that wait already if none is left to wait for. */
export async function setSynchronous(
  instance: PostgresqlInstance,
  { synchronousStandbys }: SetSynchronous['input'],
  call: CommandCall,
): Promise<SetSynchronous['result']> {
  await instance.assertInitialized();
  if (await instance.isStandby()) {
    throw new CommandFailure('NOT_A_PRIMARY', `Instance ${instance.host.name} is a replica, not a primary.`);
  }
  await instance.ensureServing(call);
  await instance.changeState({ synchronousStandbys });
  await instance.writeConfiguration();
  await instance.withAdmin((client) => client.query('SELECT pg_reload_conf()'));
  await isInForce(instance, synchronousStandbys, call.signal);
  return null;
}

/** What is acknowledged is on the primary's disk, so its flushed position is as far as anything can have been promised. */
export async function awaitSynchronous(
  instance: PostgresqlInstance,
  { withinMs }: AwaitSynchronous['input'],
  call: CommandCall,
): Promise<AwaitSynchronous['result']> {
  await instance.assertInitialized();
  const { synchronousStandbys = [] } = await instance.state();
  if (synchronousStandbys.length === 0) return { reached: true };
  call.progress('waiting until a replica has the last commits');
  const deadline = performance.now() + withinMs;
  return instance.withAdmin(async (session) => {
    const { rows } = await session.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn()::text AS lsn');
    for (;;) {
      if (await hasReached(session, synchronousStandbys, rows[0]?.lsn)) return { reached: true };
      if (performance.now() > deadline) return { reached: false };
      // Nothing announces what a replica has confirmed.
      await delay(pollMs, undefined, { signal: call.signal });
    }
  });
}

async function hasReached(session: Client, names: readonly string[], lsn: string | undefined): Promise<boolean> {
  const { rowCount } = await session.query(
    'SELECT FROM pg_stat_replication WHERE application_name = ANY ($1) AND flush_lsn >= $2::pg_lsn',
    [names, lsn],
  );
  return rowCount !== 0;
}

async function isInForce(instance: PostgresqlInstance, names: readonly string[], signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + inForceWithinMs;
  for (;;) {
    const setting = await instance.withAdmin(async (session) => {
      const { rows } = await session.query<{ setting: string }>(
        "SELECT current_setting('synchronous_standby_names') AS setting",
      );
      return rows[0]?.setting ?? '';
    });
    if (setting === synchronousStandbyNames(names)) return;
    if (performance.now() > deadline) {
      throw new CommandFailure(
        'RELOAD_TIMEOUT',
        `The server of ${instance.host.name} did not read which replicas to wait for.`,
        {
          retryable: true,
        },
      );
    }
    // Nothing announces that the server has read its files.
    await delay(pollMs, undefined, { signal });
  }
}
