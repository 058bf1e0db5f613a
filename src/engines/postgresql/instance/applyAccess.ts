import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type Client, DatabaseError } from 'pg';
import { replaceFile } from '#lib/files/replaceFile.ts';
import { type CommandCall, CommandFailure } from '../../instanceSide.ts';
import type { AccessPolicy, PostgresqlCommands } from '../commands.ts';
import { adminRole, replicatorRole } from '../roles.ts';
import { accessRules } from './accessRules.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';

type ApplyAccess = PostgresqlCommands['applyAccess'];

const reloadWithinMs = 10_000;
const pollMs = 20;

/** Puts the rules in force on the running server and ends the sessions that they no longer allow. */
export async function applyAccess(
  instance: PostgresqlInstance,
  { access }: ApplyAccess['input'],
  call: CommandCall,
): Promise<ApplyAccess['result']> {
  await instance.assertInitialized();
  if ((await instance.state()).wanted !== 'running') {
    await instance.changeState({ access });
    return { inForce: false, endedSessions: 0 };
  }
  await instance.ensureServing(call);
  call.progress('writing the access rules');
  return instance.withAdmin(async (client) => {
    await replaceRules(client, instance, access);
    await instance.changeState({ access });
    call.progress('waiting until the server has read them');
    await reload(client, instance, call.signal);
    return { inForce: true, endedSessions: await endForbiddenSessions(client, access) };
  });
}

/** Writes the file; puts the old one back if the server would not take it. */
async function replaceRules(client: Client, { layout, host }: PostgresqlInstance, access: AccessPolicy): Promise<void> {
  await assertNetworks(client, access);
  const before = await readFile(layout.hbaFile, 'utf8');
  await replaceFile(layout.hbaFile, accessRules(access), { owner: host.serverUser });
  const { rows } = await client.query<{ line: number; error: string }>(
    'SELECT line_number AS line, error FROM pg_hba_file_rules WHERE error IS NOT NULL',
  );
  const [fault] = rows;
  if (!fault) return;
  await replaceFile(layout.hbaFile, before, { owner: host.serverUser });
  throw new CommandFailure(
    'ACCESS_RULE_REFUSED',
    `PostgreSQL on ${host.name} refuses an access rule: ${fault.error} (line ${fault.line}). The rules before stay in force.`,
  );
}

/** PostgreSQL takes any other word for the name of a host, and would look it up. */
async function assertNetworks(client: Client, { clients, peers }: AccessPolicy): Promise<void> {
  try {
    await client.query('SELECT $1::cidr[]', [[...clients, ...peers]]);
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    throw new CommandFailure('ACCESS_RULE_REFUSED', `An access rule is not a network: ${error.message}.`, {
      cause: error,
    });
  }
}

/** Returns once new sessions are judged by the new file: a new session knows when the postmaster, its parent, last read it. */
async function reload(client: Client, instance: PostgresqlInstance, signal: AbortSignal): Promise<void> {
  const { rows } = await client.query<{ since: string }>('SELECT clock_timestamp()::text AS since, pg_reload_conf()');
  const since = rows[0]?.since;
  const deadline = performance.now() + reloadWithinMs;
  while (!(await hasReloaded(instance, since))) {
    if (performance.now() > deadline) {
      throw new CommandFailure('RELOAD_TIMEOUT', `The server of ${instance.host.name} did not read its access rules.`, {
        retryable: true,
      });
    }
    await delay(pollMs, undefined, { signal });
  }
}

async function hasReloaded(instance: PostgresqlInstance, since: string | undefined): Promise<boolean> {
  return instance.withAdmin(async (session) => {
    const { rows } = await session.query<{ done: boolean }>('SELECT pg_conf_load_time() >= $1::timestamptz AS done', [
      since,
    ]);
    return rows[0]?.done ?? false;
  });
}

async function endForbiddenSessions(client: Client, { clients }: AccessPolicy): Promise<number> {
  const { rowCount } = await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND usename <> ALL ($1) AND NOT client_addr <<= ANY ($2::inet[])`,
    [[adminRole, replicatorRole], clients],
  );
  return rowCount ?? 0;
}
