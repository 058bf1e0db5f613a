import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { commandLine, processIsRunning } from '#lib/host/processes.ts';

/** A PostgreSQL server process, as it describes itself in its data directory. */
export type Postmaster = { pid: number; port: number; ready: boolean };

/** The postmaster that serves the data directory (an absolute path without links) now. Null: none does. */
export async function runningPostmaster(dataDirectory: string): Promise<Postmaster | null> {
  const described = await describedPostmaster(dataDirectory);
  if (described === null || !processIsRunning(described.pid)) return null;
  return serves(described.pid, dataDirectory) ? described : null;
}

/**
 * Keeps a stale postmaster.pid from stopping a start. Its pid may belong to any program since, or to a zombie, and PostgreSQL
 * would take that for the old server. The file must stay: it also leads PostgreSQL to sessions that outlived their postmaster,
 * and two servers on one directory destroy it. PostgreSQL overlooks its parent's pid, so that is put in the stale one's place.
 */
export async function disownStalePid(dataDirectory: string): Promise<void> {
  const described = await describedPostmaster(dataDirectory);
  if (described === null || mayServe(described.pid, dataDirectory)) return;
  const text = await readFile(pidFile(dataDirectory), 'utf8');
  const file = await open(pidFile(dataDirectory), 'r+');
  try {
    // In place, since the server's user must go on owning it, and in one write, since an empty one stops PostgreSQL for good.
    const { bytesWritten } = await file.write(text.replace(/^\s*\d+/, String(process.pid)), 0);
    await file.truncate(bytesWritten);
  } finally {
    await file.close();
  }
}

/** Whether it is, or could be for all that the system tells. */
function mayServe(pid: number, dataDirectory: string): boolean {
  return processIsRunning(pid) && (commandLine(pid) === null || serves(pid, dataDirectory));
}

/** Not by its working directory: in a container root may not look at that of another user's process. */
function serves(pid: number, dataDirectory: string): boolean {
  const words = commandLine(pid) ?? [];
  return words.some((word, position) => word === '-D' && words[position + 1] === dataDirectory);
}

/** The lines of postmaster.pid are in PostgreSQL's src/include/utils/pidfile.h. */
async function describedPostmaster(dataDirectory: string): Promise<Postmaster | null> {
  const text = await readFile(pidFile(dataDirectory), 'utf8').catch(() => '');
  const [pid, , , port, , , , status] = text.split('\n').map((line) => line.trim());
  if (!pid || !/^\d+$/.test(pid)) return null;
  return { pid: Number(pid), port: Number(port), ready: status === 'ready' };
}

function pidFile(dataDirectory: string): string {
  return join(dataDirectory, 'postmaster.pid');
}
