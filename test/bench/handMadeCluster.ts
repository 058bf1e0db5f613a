import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdir, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { defaultInstanceSize } from '#domain/limits.ts';
import { accessRules } from '#engines/postgresql/instance/accessRules.ts';
import { type InstanceLayout, instanceLayout } from '#engines/postgresql/instance/instanceLayout.ts';
import { serverSettings } from '#engines/postgresql/instance/serverSettings.ts';
import { adminRole, clientDatabase, clientRole, replicatorRole } from '#engines/postgresql/roles.ts';
import { replaceFile } from '#lib/files/replaceFile.ts';
import type { ServerUser } from '#lib/host/serverUser.ts';
import { runningPostmaster } from '#lib/postgres/postmaster.ts';

export type Workplace = {
  /** An empty directory that the servers' user can pass through. */
  directory: string;
  binDirectory: string;
  user: ServerUser | null;
};

export type HandMadeCluster = {
  /** How long each step took in milliseconds, in their order. */
  steps: Record<string, number>;
  /** Ends the servers. Their files stay: to delete files costs some file systems time later, when others are made. */
  stop(): Promise<void>;
};

type Server = { name: string; address: string; layout: InstanceLayout; slotName: string };

const port = 5432;
const network = '127.0.0.0/8';
const password = 'made-by-hand';
const pollMs = 10;
const streamsWithinMs = 60_000;

/** What a base backup leaves out: https://www.postgresql.org/docs/current/continuous-archiving.html (low-level base backup). */
const emptied = [
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
];
const leftOut = new Set([...emptied, 'postmaster.pid', 'postmaster.opts']);

/**
 * A primary and two streaming replicas made as a person would with a script: the programs, settings, roles and slots that
 * Grove uses, and no agent, record or verification. It ends when the primary sees both replicas streaming.
 */
export async function makeClusterByHand(place: Workplace): Promise<HandMadeCluster> {
  const started: ChildProcess[] = [];
  const steps: Record<string, number> = {};
  async function timed<T>(step: string, work: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    const result = await work();
    steps[step] = performance.now() - begun;
    return result;
  }
  const stop = async () => void (await Promise.all(started.map(end)));
  try {
    const [primary, ...replicas] = await timed('directories', () => makeDirectories(place));
    await timed('initdb', () => initdb(place, primary));
    await timed('start the primary', () => start(place, primary, null, started));
    const admin = await connect(primary);
    await timed('roles, database, slots', () => makeRolesAndSlots(admin, replicas));
    await timed('base backups, start the replicas', () =>
      Promise.all(
        replicas.map(async (replica) => {
          await baseBackup(place, primary, replica);
          await start(place, replica, primary, started);
        }),
      ),
    );
    await timed('streaming', () => allStream(admin, replicas.length));
    await admin.end();
    return { steps, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function makeDirectories({ directory, user }: Workplace): Promise<[Server, Server, Server]> {
  // Outside of Grove's networks, and where no program takes a port by chance.
  const block = `127.200.${randomInt(256)}`;
  const make = async (name: string, host: number): Promise<Server> => {
    const layout = instanceLayout(join(directory, name));
    for (const path of [layout.directory, layout.configuration, layout.data]) {
      await mkdir(path, { recursive: true, mode: 0o700 });
      if (user !== null) await chown(path, user.uid, user.gid);
    }
    return { name, address: `${block}.${host}`, layout, slotName: name };
  };
  return await Promise.all([make('one', 1), make('two', 2), make('three', 3)]);
}

async function initdb({ binDirectory, user }: Workplace, { layout }: Server): Promise<void> {
  await replaceFile(layout.initialPasswordFile, `${password}\n`, { owner: user });
  const options = [
    ...['-D', layout.data, '-U', adminRole, '-A', 'scram-sha-256', '--pwfile', layout.initialPasswordFile],
    ...['-E', 'UTF8', '--data-checksums', '--no-instructions'],
    ...['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
  ];
  await promisify(execFile)(join(binDirectory, 'initdb'), options, { cwd: layout.data, env: { LC_ALL: 'C' }, ...user });
}

async function start(
  { binDirectory, user }: Workplace,
  { name, address, layout }: Server,
  primary: Server | null,
  started: ChildProcess[],
): Promise<void> {
  const upstream = primary && { host: primary.address, port, slotName: name };
  const settings = serverSettings({
    name,
    address,
    port,
    size: defaultInstanceSize,
    layout,
    upstream,
    synchronousStandbys: [],
    recovering: false,
  });
  await replaceFile(layout.configFile, settings, { owner: user });
  await replaceFile(layout.hbaFile, accessRules({ clients: [network], peers: [network] }), { owner: user });
  await replaceFile(layout.identFile, '', { owner: user });
  if (primary !== null)
    await replaceFile(layout.passwordFile, `*:*:*:${replicatorRole}:${password}\n`, { owner: user });
  const log = await open(layout.logFile, 'a', 0o600);
  const server = spawn(join(binDirectory, 'postgres'), ['-D', layout.data, '-c', `config_file=${layout.configFile}`], {
    cwd: layout.data,
    env: { LC_ALL: 'C' },
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    ...user,
  });
  started.push(server);
  await once(server, 'spawn');
  await log.close();
  while (!(await runningPostmaster(layout.data))?.ready) {
    if (server.exitCode !== null || server.signalCode !== null) {
      throw new Error(`The server "${name}" does not start:\n${await readFile(layout.logFile, 'utf8')}`);
    }
    await pause(pollMs);
  }
}

async function connect({ address }: Server): Promise<Client> {
  const client = new Client({ host: address, port, user: adminRole, password, database: 'postgres' });
  // Servers are ended without a word at the end of a run; nothing else listens to that.
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function makeRolesAndSlots(admin: Client, replicas: readonly Server[]): Promise<void> {
  await admin.query(`CREATE ROLE ${replicatorRole} LOGIN REPLICATION PASSWORD '${password}'`);
  await admin.query(`CREATE ROLE ${clientRole} LOGIN CREATEDB CREATEROLE PASSWORD '${password}'`);
  await admin.query(`CREATE DATABASE ${clientDatabase} OWNER ${clientRole}`);
  for (const { slotName } of replicas)
    await admin.query('SELECT pg_create_physical_replication_slot($1, true)', [slotName]);
}

/** The low-level backup interface: its session must stay open while the files are copied. */
async function baseBackup({ user }: Workplace, primary: Server, { name, layout }: Server): Promise<void> {
  const session = await connect(primary);
  await session.query('SELECT pg_backup_start($1, fast => true)', [name]);
  const entries = (await readdir(primary.layout.data)).filter((entry) => !leftOut.has(entry));
  const sources = entries.map((entry) => join(primary.layout.data, entry));
  await promisify(execFile)('cp', ['-a', ...sources, layout.data], { cwd: layout.data, ...user });
  for (const entry of emptied) {
    await mkdir(join(layout.data, entry), { mode: 0o700 });
    if (user !== null) await chown(join(layout.data, entry), user.uid, user.gid);
  }
  const { rows } = await session.query<{ labelfile: string }>(
    'SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)',
  );
  await session.end();
  await replaceFile(join(layout.data, 'backup_label'), rows[0]?.labelfile ?? '', { owner: user });
  await replaceFile(layout.standbySignal, '', { owner: user });
}

async function allStream(admin: Client, count: number): Promise<void> {
  const deadline = performance.now() + streamsWithinMs;
  for (;;) {
    const { rowCount } = await admin.query("SELECT FROM pg_stat_replication WHERE state = 'streaming'");
    if (rowCount === count) return;
    if (performance.now() > deadline) throw new Error(`${rowCount} of ${count} replicas stream.`);
    // A primary announces nothing when a replica begins to stream.
    await pause(pollMs);
  }
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const gone = once(server, 'exit');
  server.kill('SIGQUIT');
  await gone;
}
