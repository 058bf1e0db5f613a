import { type CommandCall, CommandFailure } from '../../instanceSide.ts';
import type { PostgresqlCommands } from '../commands.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';

type Restarted = PostgresqlCommands['restart']['result'];

/** The server runs and accepts sessions, and is kept running from now on. */
export async function start(instance: PostgresqlInstance, _input: object, call: CommandCall): Promise<null> {
  await instance.assertInitialized();
  await instance.changeState({ wanted: 'running', stoppingSince: null });
  call.progress('starting the server');
  await instance.ensureServing(call);
  return null;
}

/** The server is stopped in order, and stays so until it is started again. */
export async function stop(instance: PostgresqlInstance, _input: object, { progress }: CommandCall): Promise<null> {
  await instance.assertInitialized();
  await instance.changeState({ wanted: 'stopped' });
  progress('stopping the server');
  await instance.supervisor.stop();
  return null;
}

/** A checkpoint that takes longer than this is cut off, and the shutdown's own has the rest to do. */
const checkpointMs = 60_000;

/** The server has stopped in order and started again. It is away for little more than both take an idle server. */
export async function restart(instance: PostgresqlInstance, _input: object, call: CommandCall): Promise<Restarted> {
  await instance.assertInitialized();
  await assertNotHandedOver(instance);
  await instance.changeState({ wanted: 'running' });
  if (instance.supervisor.pid !== null) {
    call.progress('writing a checkpoint');
    await checkpoint(instance);
  }
  call.progress('restarting the server');
  const downMs = await instance.restartServer(call);
  const [row] = await instance.withAdmin(
    async (client) => (await client.query<{ since: Date }>('SELECT pg_postmaster_start_time() AS since')).rows,
  );
  return { startedAt: (row?.since ?? new Date()).toISOString(), downMs: downMs === null ? null : Math.round(downMs) };
}

/** What was stopped to hand its role over may have a successor by now; only the promotion itself knows. */
async function assertNotHandedOver(instance: PostgresqlInstance): Promise<void> {
  if ((await instance.state()).stoppingSince == null || (await instance.isStandby())) return;
  const { name } = instance.host;
  const why = `${name} was stopped to hand its role over, in a promotion that did not end. Retry that, or promote another with FAILOVER.`;
  throw new CommandFailure('HANDED_OVER', why);
}

/** So that the shutdown has little to write: its sessions are ended by then. A server that cannot do it is restarted without. */
async function checkpoint(instance: PostgresqlInstance): Promise<void> {
  try {
    await instance.withAdmin((client) => client.query('CHECKPOINT'), {
      statement_timeout: checkpointMs,
      query_timeout: checkpointMs + 1000,
    });
  } catch (error) {
    instance.host.logger.warn({ err: error }, 'no checkpoint before the restart');
  }
}
