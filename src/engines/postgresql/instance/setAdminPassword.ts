import { withoutPaths } from '#lib/faults/withoutPaths.ts';
import { CommandFailure } from '../../instanceSide.ts';
import { adminRole } from '../roles.ts';
import { scramVerifier } from '../scramVerifier.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';
import { runProgram } from './runProgram.ts';

/**
 * Gives the superuser of a stopped server this cluster's password, in PostgreSQL's single-user mode: the server need not let anybody
 * in without a password for it.
 */
export async function setAdminPassword(instance: PostgresqlInstance, signal: AbortSignal): Promise<void> {
  const { layout, host } = instance;
  await instance.writeConfiguration();
  const verifier = scramVerifier(await instance.secret(adminRole));
  const statement = `ALTER ROLE ${adminRole} SUPERUSER LOGIN PASSWORD '${verifier}'`;
  const values = { config_file: layout.configFile, exit_on_error: 'true', log_min_error_statement: 'panic' };
  const settings = Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const args = ['--single', '-D', layout.data, ...settings, 'postgres'];
  try {
    await runProgram(instance, { name: 'postgres', args, cwd: layout.data, input: `${statement}\n`, signal });
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string };
    const reason = stderr.split('\n').findLast((line) => /ERROR|FATAL|PANIC/.test(line)) ?? message;
    throw new CommandFailure(
      'PASSWORD_NOT_SET',
      `The password on ${host.name} could not be set: ${withoutPaths(reason)}`,
      {
        retryable: true,
        cause: error,
      },
    );
  }
}
