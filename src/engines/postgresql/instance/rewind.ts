import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { replaceFile } from '#lib/replaceFile.ts';
import { withoutPaths } from '#lib/withoutPaths.ts';
import type { CommandCall } from '../../instanceSide.ts';
import type { PostgresqlCommands, ServerAddress } from '../commands.ts';
import { adminRole } from '../roles.ts';
import { follow } from './follow.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';

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
  const program = instance.program('pg_rewind');
  if (!existsSync(program)) return { rewound: false, reason: 'This package of PostgreSQL has no pg_rewind.' };
  await instance.supervisor.stop();
  await instance.writeConfiguration();
  // Before the signal goes: an agent that began anew in between would start the server as a primary.
  await instance.changeState({ wanted: 'none', upstream: null });
  // With it pg_rewind refuses, or takes a replica's recovery for the end of its work.
  await rm(instance.layout.standbySignal, { force: true });
  progress('rewinding');
  try {
    const password = await instance.secret(adminRole);
    await runRewind(
      { layout: instance.layout, host: instance.host, password },
      { program, primary: leader.primary, signal },
    );
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

async function runRewind(
  { layout, host, ...rest }: Pick<PostgresqlInstance, 'layout' | 'host'> & { password: string },
  { program, primary, signal }: { program: string; primary: ServerAddress; signal: AbortSignal },
): Promise<void> {
  const passwordFile = `${layout.passwordFile}-rewind`;
  const line = `*:*:*:${adminRole}:${rest.password.replaceAll(/[\\:]/g, '\\$&')}\n`;
  await replaceFile(passwordFile, line, { owner: host.serverUser });
  const source = `host=${primary.host} port=${primary.port} user=${adminRole} dbname=postgres connect_timeout=5`;
  try {
    await promisify(execFile)(
      program,
      ['--target-pgdata', layout.data, '--source-server', source, '--config-file', layout.configFile],
      {
        cwd: layout.data,
        env: { ...host.environment, LC_ALL: 'C', PGPASSFILE: passwordFile },
        signal,
        ...host.serverUser,
      },
    );
  } finally {
    await rm(passwordFile, { force: true });
  }
}
