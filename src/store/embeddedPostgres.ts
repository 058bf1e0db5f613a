import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { StartupError } from '#lib/faults/startupError.ts';
import { freePort } from '#lib/host/freePort.ts';
import type { Logger } from '#lib/log/logger.ts';
import { openLogFile } from '#lib/log/openLogFile.ts';
import { disownStalePid, type Postmaster, runningPostmaster } from '#lib/postgres/postmaster.ts';
import { type DataDirectoryOptions, ensureDataDirectory, superuser } from './ensureDataDirectory.ts';
import { keepRunning } from './keepRunning.ts';
import { stopPostmaster } from './stopPostmaster.ts';
import { withClient } from './withClient.ts';

export type EmbeddedPostgresOptions = DataDirectoryOptions & {
  logger: Logger;
  /** Server settings over Grove's own. For tests, which need no durability. */
  settings?: Record<string, string>;
};

export type EmbeddedPostgres = {
  /** How to connect to the database `grove` as its owner. Holds the password. */
  url: string;
  /** Ends every session and stops the server. On return it is gone. */
  stop(): Promise<void>;
};

const address = '127.0.0.1';
const database = 'grove';
const startMs = 60_000;
const retryMs = 100;
const pollMs = 10;
/** Sessions outlived their killed server for a moment; or the port was taken by another program. */
const passingFault = /pre-existing shared memory block|could not create any TCP\/IP sockets/;
const logBytes = 10 * 1024 * 1024;

const groveSettings: Record<string, string> = {
  listen_addresses: address,
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '64MB',
  max_wal_size: '256MB',
  synchronous_commit: 'on',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  jit: 'off',
};

/**
 * Runs the PostgreSQL server that comes with Grove, on loopback and a free port, and returns once it answers. Its data is made
 * at the first start. A server left running by a Grove that was killed is taken over. Only one process at a time may call it
 * for a directory.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { directory, logger } = options;
  const { password } = await ensureDataDirectory(options);
  const dataDirectory = await realpath(join(directory, 'data'));
  const adopted = await adopt(dataDirectory);
  if (adopted !== null) logger.info({ pid: adopted.pid }, 'took over the embedded PostgreSQL that was left running');
  const postmaster = adopted ?? (await start(dataDirectory, null, options));
  const { port } = postmaster;
  const stop = keepRunning({ pid: postmaster.pid, logger, restart: () => start(dataDirectory, port, options) });
  try {
    await ensureDatabase(urlOf(port, password, 'postgres'));
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: urlOf(port, password, database), stop };
}

async function adopt(dataDirectory: string): Promise<Postmaster | null> {
  const left = await runningPostmaster(dataDirectory);
  if (left === null || left.ready) return left;
  // It is on its way up or down. Only a server that is ready is taken over.
  await stopPostmaster(left.pid);
  return null;
}

/** `port`: where its clients expect it. Null: anywhere. */
async function start(
  dataDirectory: string,
  port: number | null,
  options: EmbeddedPostgresOptions,
): Promise<Postmaster> {
  await disownStalePid(dataDirectory);
  const deadline = performance.now() + startMs;
  for (;;) {
    const log = await openLog(join(options.directory, 'postgresql.log'));
    // Another program may take the port between its choice and its use.
    const child = await spawnPostmaster(dataDirectory, port ?? (await freePort(address)), log, options);
    const postmaster = await ready(child, dataDirectory, deadline);
    const fault = await log.fault();
    await log.close();
    if (postmaster !== null) return postmaster;
    if (!passingFault.test(fault) || performance.now() >= deadline) {
      throw new StartupError(`The embedded PostgreSQL does not start: ${fault} (its log: ${log.path})`);
    }
    await delay(retryMs);
  }
}

async function spawnPostmaster(
  dataDirectory: string,
  port: number,
  log: Log,
  { binDirectory, serverUser, settings }: EmbeddedPostgresOptions,
): Promise<ChildProcess> {
  const all = { ...groveSettings, ...settings, port: String(port) };
  const parameters = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(join(binDirectory, 'postgres'), ['-D', dataDirectory, ...parameters], {
    // A group of its own: a terminal's Ctrl-C is for Grove, which stops the server last.
    detached: true,
    cwd: '/',
    stdio: ['ignore', log.descriptor, log.descriptor],
    env: { LC_ALL: 'C' },
    ...serverUser,
  });
  child.unref();
  await once(child, 'spawn');
  return child;
}

/** Waits until the server accepts sessions. Null: it ended instead, or was ended because it took too long. */
async function ready(child: ChildProcess, dataDirectory: string, deadline: number): Promise<Postmaster | null> {
  while (child.exitCode === null && child.signalCode === null) {
    const postmaster = await runningPostmaster(dataDirectory);
    if (postmaster?.ready && postmaster.pid === child.pid) return postmaster;
    if (performance.now() >= deadline) child.kill('SIGQUIT');
    // postmaster.pid is how PostgreSQL announces it, also to its own pg_ctl, which looks at it again and again.
    await delay(pollMs);
  }
  return null;
}

type Log = {
  path: string;
  descriptor: number;
  /** What the server said last that sounds like the reason why it does not start. */
  fault(): Promise<string>;
  close(): Promise<void>;
};

async function openLog(path: string): Promise<Log> {
  const file = await openLogFile(path, { maxBytes: logBytes });
  const { size: start } = await file.stat();
  return {
    path,
    descriptor: file.fd,
    async fault() {
      const lines = (await readFile(path)).subarray(start).toString('utf8').trimEnd().split('\n');
      const fault = lines.find((line) => /FATAL|PANIC/.test(line)) ?? lines.at(-1);
      return fault?.replace(/^.*(FATAL|PANIC):\s*/, '') ?? '';
    },
    close: () => file.close(),
  };
}

async function ensureDatabase(url: string): Promise<void> {
  await withClient({ connectionString: url }, async (client) => {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [database]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
  });
}

function urlOf(port: number, password: string, name: string): string {
  return `postgresql://${superuser}:${encodeURIComponent(password)}@${address}:${port}/${name}`;
}
