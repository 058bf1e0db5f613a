import { setTimeout as delay } from 'node:timers/promises';
import { type CommandCall, CommandFailure } from '../../instanceSide.ts';
import type { PostgresqlCommands } from '../commands.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';
import { synchronousStandbyNames } from './serverSettings.ts';

const inForceWithinMs = 10_000;
const pollMs = 20;

type SetSynchronous = PostgresqlCommands['setSynchronous'];

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
