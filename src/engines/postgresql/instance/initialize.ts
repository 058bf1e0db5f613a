import { chown, mkdir, rename, rm } from 'node:fs/promises';
import type { Client } from 'pg';
import { withoutPaths } from '#lib/faults/withoutPaths.ts';
import { replaceFile } from '#lib/files/replaceFile.ts';
import { syncPath } from '#lib/files/syncPath.ts';
import { type CommandCall, CommandFailure } from '../../instanceSide.ts';
import type { PostgresqlCommands } from '../commands.ts';
import { adminRole, clientDatabase, clientRole, replicatorRole } from '../roles.ts';
import { scramVerifier } from '../scramVerifier.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';
import { ensureProbeTable } from './probe.ts';
import { runProgram } from './runProgram.ts';

type Initialize = PostgresqlCommands['initialize'];

/** Makes an empty instance a running primary with its roles and the customer's database. */
export async function initialize(
  instance: PostgresqlInstance,
  { access }: Initialize['input'],
  call: CommandCall,
): Promise<Initialize['result']> {
  if (!(await instance.exists())) {
    call.progress('making the data directory');
    await makeDataDirectory(instance, call.signal);
  }
  if (await instance.isStandby()) {
    throw new CommandFailure('NOT_A_PRIMARY', `Instance ${instance.host.name} is a replica already.`);
  }
  await instance.changeState({ wanted: 'running', upstream: null, access });
  call.progress('starting the server');
  await instance.ensureServing(call);
  call.progress('making roles and the database');
  return instance.withAdmin(async (client) => {
    await ensureRoles(client, instance);
    await ensureDatabase(client);
    await ensureProbeTable(client);
    const { rows } = await client.query<{ id: string }>(
      'SELECT system_identifier::text AS id FROM pg_control_system()',
    );
    return { systemIdentifier: rows[0]?.id ?? '' };
  });
}

/** initdb into a directory beside, which gets its name only when it is whole. */
async function makeDataDirectory(instance: PostgresqlInstance, signal: AbortSignal): Promise<void> {
  const { layout, host } = instance;
  await rm(layout.unfinishedData, { recursive: true, force: true });
  await mkdir(layout.unfinishedData, { mode: 0o700 });
  if (host.serverUser !== null) await chown(layout.unfinishedData, host.serverUser.uid, host.serverUser.gid);
  await mkdir(layout.configuration, { recursive: true });
  await replaceFile(layout.initialPasswordFile, `${await instance.secret(adminRole)}\n`, { owner: host.serverUser });
  try {
    const args = initdbArguments(instance);
    await runProgram(instance, { name: 'initdb', args, cwd: layout.unfinishedData, signal });
  } catch (error) {
    await rm(layout.unfinishedData, { recursive: true, force: true });
    throw new CommandFailure('INITDB_FAILED', `initdb failed on ${host.name}: ${withoutPaths(lastLine(error))}`, {
      cause: error,
    });
  } finally {
    await rm(layout.initialPasswordFile, { force: true });
  }
  await rename(layout.unfinishedData, layout.data);
  await syncPath(layout.directory);
}

function initdbArguments({ layout, host }: PostgresqlInstance): string[] {
  return [
    ...['-D', layout.unfinishedData, '-U', adminRole, '-A', 'scram-sha-256', '--pwfile', layout.initialPasswordFile],
    ...['-E', 'UTF8', '--data-checksums', '--no-instructions', ...localeArguments(Number(host.engineVersion))],
  ];
}

/** The same order of text on every host, whatever its C library: replicas with another order would have broken indexes. */
function localeArguments(major: number): string[] {
  if (major < 17) return ['--locale=C'];
  return ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
}

/** Grove's roles and the customer's are there, with this cluster's passwords. */
export async function ensureRoles(client: Client, instance: PostgresqlInstance): Promise<void> {
  // Verifiers instead of passwords, and no statement in the log even if it fails.
  await client.query(
    "SET log_statement = 'none'; SET log_min_duration_statement = -1; SET log_min_error_statement = 'panic'",
  );
  await ensureRole(client, replicatorRole, 'REPLICATION', await instance.secret(replicatorRole));
  await ensureRole(
    client,
    clientRole,
    clientAttributes(instance.host.engineVersion),
    await instance.secret(clientRole),
  );
  await client.query(`GRANT pg_monitor TO ${client.escapeIdentifier(clientRole)}`);
}

/**
 * Before PostgreSQL 16, CREATEROLE allows membership in every role that is no superuser, among them those that run programs on
 * the host and Grove's own.
 */
function clientAttributes(version: string): string {
  return Number(version) < 16 ? 'CREATEDB NOCREATEROLE' : 'CREATEDB CREATEROLE';
}

async function ensureRole(client: Client, name: string, attributes: string, password: string): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [name]);
  const verb = rowCount === 0 ? 'CREATE' : 'ALTER';
  const verifier = client.escapeLiteral(scramVerifier(password));
  await client.query(`${verb} ROLE ${client.escapeIdentifier(name)} LOGIN ${attributes} PASSWORD ${verifier}`);
}

async function ensureDatabase(client: Client): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [clientDatabase]);
  if (rowCount !== 0) return;
  const [database, owner] = [clientDatabase, clientRole].map((name) => client.escapeIdentifier(name));
  await client.query(`CREATE DATABASE ${database} OWNER ${owner}`);
}

function lastLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  return (
    stderr
      ?.trim()
      .split('\n')
      .findLast((line) => /error|fatal/i.test(line)) ??
    stderr?.trim().split('\n').at(-1) ??
    message
  );
}
