import { readFile, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { processEnds, processesWorkingIn, processIsRunning, workingDirectory } from '#lib/processes.ts';

const leftoversMs = 10_000;

/** A PostgreSQL server process, as it describes itself in its data directory. */
export type Postmaster = { pid: number; ready: boolean };

/**
 * The postmaster that serves the data directory now. Null: none does. The file may outlive its writer, and its pid may belong
 * to any other program since: the working directory tells (a postmaster's is its data).
 */
export async function runningPostmaster(dataDirectory: string): Promise<Postmaster | null> {
  const described = await describedPostmaster(dataDirectory);
  if (described === null || !processIsRunning(described.pid)) return null;
  if (process.platform !== 'linux') return described;
  return workingDirectory(described.pid) === (await realpath(dataDirectory)) ? described : null;
}

/**
 * After a kill -9 of the postmaster its sessions may live a moment longer, and two servers on one directory destroy it: wait
 * for them. What postmaster.pid says then is stale, and PostgreSQL itself would take a program that was given the same pid
 * since for the old server.
 */
export async function clearTheWay(dataDirectory: string): Promise<void> {
  if (process.platform !== 'linux') return;
  for (const pid of processesWorkingIn(await realpath(dataDirectory))) {
    if (await processEnds(pid, { timeoutMs: leftoversMs })) continue;
    throw new Error(`Process ${pid} of an earlier server still works in its data directory, and no server leads it.`);
  }
  await rm(join(dataDirectory, 'postmaster.pid'), { force: true });
}

/** The lines of postmaster.pid are in PostgreSQL's src/include/utils/pidfile.h. */
async function describedPostmaster(dataDirectory: string): Promise<Postmaster | null> {
  const text = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '');
  const [pid, , , , , , , status] = text.split('\n').map((line) => line.trim());
  if (!pid || !/^\d+$/.test(pid)) return null;
  return { pid: Number(pid), ready: status === 'ready' };
}
