import { replaceFile } from '#lib/files/replaceFile.ts';
import { type CommandCall, CommandFailure } from '../../instanceSide.ts';
import type { PostgresqlCommands } from '../commands.ts';
import { ensureRoles } from './initialize.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';
import { ensureProbeTable } from './probe.ts';
import { ensureRestored } from './restore.ts';
import { setAdminPassword } from './setAdminPassword.ts';

type Lead = PostgresqlCommands['lead'];

/**
 * Makes an instance with the data of a part a running primary. It replays the WAL that came with them and begins a timeline of its
 * own; nobody can sign in before the passwords are this cluster's.
 */
export async function lead(
  instance: PostgresqlInstance,
  { part, access }: Lead['input'],
  call: CommandCall,
): Promise<Lead['result']> {
  if (!(await leadsAlready(instance))) {
    await ensureRestored(instance, part, call);
    await recover(instance, call);
    await setAdminPassword(instance, call.signal);
  }
  await instance.changeState({ wanted: 'running', upstream: null, access, recovering: false });
  call.progress('starting the server');
  await instance.ensureServing(call);
  call.progress('setting the passwords');
  return instance.withAdmin(async (client) => {
    await ensureRoles(client, instance);
    await ensureProbeTable(client);
    const { rows } = await client.query<{ timeline: number }>(
      'SELECT timeline_id AS timeline FROM pg_control_checkpoint()',
    );
    return { timeline: rows[0]?.timeline ?? 0 };
  });
}

async function leadsAlready(instance: PostgresqlInstance): Promise<boolean> {
  const { wanted, upstream, recovering } = await instance.state();
  return wanted === 'running' && upstream === null && !recovering && (await instance.exists());
}

/** Only this agent knows that the server runs: a later one begins with the part again. */
async function recover(instance: PostgresqlInstance, call: CommandCall): Promise<void> {
  const { layout, host } = instance;
  await replaceFile(layout.recoverySignal, '', { owner: host.serverUser });
  await instance.assumeState({ wanted: 'running', upstream: null, recovering: true });
  call.progress('replaying the WAL of the backup');
  try {
    await instance.ensureServing(call);
    await instance.supervisor.stop();
  } catch (error) {
    await instance.supervisor.stop();
    throw error;
  } finally {
    // What the server has changed is no longer what was restored.
    instance.restoredPart = null;
    await instance.assumeState({ wanted: 'none', recovering: false });
  }
  if (await instance.isRecovering()) {
    throw new CommandFailure('NOT_RECOVERED', `The server of ${host.name} did not come to the end of its backup.`, {
      retryable: true,
    });
  }
}
