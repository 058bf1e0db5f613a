import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { withoutPaths } from '#lib/faults/withoutPaths.ts';
import { replaceFile } from '#lib/files/replaceFile.ts';
import type { CommandCall } from '../../instanceSide.ts';
import type { PostgresqlCommands, ServerAddress } from '../commands.ts';
import { adminRole } from '../roles.ts';
import { follow } from './follow.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';
import { runProgram } from './runProgram.ts';

type Rewind = PostgresqlCommands['rewind'];

/**
 * Takes back what a former primary has and the present one has not, with pg_rewind where PostgreSQL's package has it. While it
 * works the instance counts as one without a database, since what an interrupted run leaves is none.
 */
export async function rewind(
  instance: PostgresqlInstance,
  leader: Rewind['input'],
  call: CommandCall,
): Promise<Rewind['result']> {
  const { progress, signal } = call;
  if (!existsSync(instance.program('pg_rewind')))
    return { rewound: false, reason: 'This package of PostgreSQL has no pg_rewind.' };
  await instance.supervisor.stop();
  await instance.writeConfiguration();
  // Before the signal goes: an agent that began anew in between would start the server as a primary.
  await instance.changeState({ wanted: 'none', upstream: null });
  // With it pg_rewind refuses, or takes a replica's recovery for the end of its work.
  await rm(instance.layout.standbySignal, { force: true });
  progress('rewinding');
  try {
    await runRewind(instance, leader.primary, signal);
  } catch (error) {
    signal.throwIfAborted();
    const { stderr, message } = error as { stderr?: string; message: string };
    return { rewound: false, reason: withoutPaths(stderr?.trim().split('\n').at(-1) ?? message) };
  }
  await instance.makeStandby();
  await instance.changeState({ wanted: 'stopped' });
  const { attached, reason } = await follow(instance, leader, call);
  return { rewound: attached, reason };
}

async function runRewind(instance: PostgresqlInstance, primary: ServerAddress, signal: AbortSignal): Promise<void> {
  const { layout, host } = instance;
  const password = await instance.secret(adminRole);
  const line = `*:*:*:${adminRole}:${password.replaceAll(/[\\:]/g, '\\$&')}\n`;
  await replaceFile(layout.rewindPasswordFile, line, { owner: host.serverUser });
  const source = `host=${primary.host} port=${primary.port} user=${adminRole} dbname=postgres connect_timeout=5`;
  const args = ['--target-pgdata', layout.data, '--source-server', source, '--config-file', layout.configFile];
  try {
    await runProgram(instance, {
      name: 'pg_rewind',
      args,
      cwd: layout.data,
      env: { PGPASSFILE: layout.rewindPasswordFile },
      signal,
    });
  } finally {
    await rm(layout.rewindPasswordFile, { force: true });
  }
}
