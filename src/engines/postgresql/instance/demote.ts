import { type CommandCall, CommandFailure } from '../../instanceSide.ts';
import type { PostgresqlCommands } from '../commands.ts';
import { readControlFile } from './controlFile.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';

type Demote = PostgresqlCommands['demote'];

/**
 * Stops a primary to hand its role over. What is wanted is on disk before the server is told, so that neither this agent nor a
 * later one, nor a reboot, brings it up as a primary again. An orderly stop sends all WAL, the shutdown checkpoint at its end
 * included, to the replicas that stream.
 */
export async function demote(
  instance: PostgresqlInstance,
  { withinMs }: Demote['input'],
  { progress }: CommandCall,
): Promise<Demote['result']> {
  await instance.assertInitialized();
  if (await instance.isStandby()) {
    throw new CommandFailure('NOT_A_PRIMARY', `Instance ${instance.host.name} is a replica, not a primary.`);
  }
  const { stoppingSince } = await instance.state();
  const since = stoppingSince ?? new Date().toISOString();
  await instance.changeState({ wanted: 'stopped', stoppingSince: since });
  // After the first run of this command the server still took writes while the state was being written.
  const begin = stoppingSince == null ? Date.now() : Date.parse(since);
  progress('stopping the server');
  await instance.supervisor.stop({ patienceMs: withinMs });
  const { shutDown, timeline, checkpointLsn } = await readControlFile(instance.layout.data);
  return { clean: shutDown, timeline, lsn: checkpointLsn, tookMs: Math.max(0, Date.now() - begin) };
}
