import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { commandLine, processIsRunning } from '#lib/processes.ts';

/** A PostgreSQL server process, as it describes itself in its data directory. */
export type Postmaster = { pid: number; ready: boolean };

/** The postmaster that serves the data directory (an absolute path without links) now. Null: none does. */
export async function runningPostmaster(dataDirectory: string): Promise<Postmaster | null> {
  const described = await describedPostmaster(dataDirectory);
  if (described === null || !processIsRunning(described.pid)) return null;
  return serves(described.pid, dataDirectory) ? described : null;
}

/**
 * Keeps a stale postmaster.pid from stopping a start. Its pid may belong to any program since, or to a dead server that
 * nobody has reaped, and PostgreSQL would take either for the old server. The file must stay: it also leads PostgreSQL to sessions that outlived their postmaster, and two servers
 * on one directory destroy it. PostgreSQL overlooks its parent's pid, so that is put in place of the stale one.
 */
export async function disownStalePid(dataDirectory: string): Promise<void> {
  const described = await describedPostmaster(dataDirectory);
  if (described === null) return;
  if (processIsRunning(described.pid) && serves(described.pid, dataDirectory)) return;
  const path = pidFile(dataDirectory);
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace(/^\s*\d+/, String(process.pid)));
}

/** Not by its working directory: in a container root may not look at that of another user's process. */
function serves(pid: number, dataDirectory: string): boolean {
  const words = commandLine(pid);
  // Where the system does not tell (macOS), the pid is believed.
  if (words === null) return process.platform !== 'linux';
  return words.some((word, position) => word === '-D' && words[position + 1] === dataDirectory);
}

/** The lines of postmaster.pid are in PostgreSQL's src/include/utils/pidfile.h. */
async function describedPostmaster(dataDirectory: string): Promise<Postmaster | null> {
  const text = await readFile(pidFile(dataDirectory), 'utf8').catch(() => '');
  const [pid, , , , , , , status] = text.split('\n').map((line) => line.trim());
  if (!pid || !/^\d+$/.test(pid)) return null;
  return { pid: Number(pid), ready: status === 'ready' };
}

function pidFile(dataDirectory: string): string {
  return join(dataDirectory, 'postmaster.pid');
}
