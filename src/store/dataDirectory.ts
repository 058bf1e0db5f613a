import { chmod, mkdir, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { StartupError } from '#lib/faults/startupError.ts';
import { closedDirectory, type ServerUser } from '#lib/host/serverUser.ts';
import { lockDirectory } from './lockDirectory.ts';

export type DataDirectory = {
  /** Absolute, without symbolic links. */
  path: string;
  /** Lets another Grove have it. */
  release(): Promise<void>;
};

const systemDirectory = '/var/lib/grove';

/**
 * Where Grove keeps its data unless told otherwise: `.grove` in the directory where it is started, or a place of the system's
 * when the user that database servers run as could not reach that (root's home, for one).
 */
export async function defaultDataDirectory(startedIn: string, serverUser: ServerUser | null): Promise<string> {
  const reachable = serverUser === null || (await closedDirectory(startedIn, serverUser)) === null;
  return reachable ? join(startedIn, '.grove') : systemDirectory;
}

/**
 * Makes Grove's data directory if it is absent and takes it for this process. Throws a StartupError if another Grove has it,
 * or if the user that database servers run as cannot pass through it.
 */
export async function openDataDirectory(path: string, serverUser: ServerUser | null): Promise<DataDirectory> {
  const directory = await makeDirectory(resolve(path));
  if (serverUser !== null) await openTo(serverUser, directory);
  const release = await lockDirectory(directory);
  return { path: directory, release };
}

async function makeDirectory(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    return await realpath(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StartupError(`The data directory ${path} cannot be made: ${reason}. Set GROVE_DATA to another one.`);
  }
}

/** Others may then pass, not look: what lies in it has its own permissions. */
async function openTo(serverUser: ServerUser, directory: string): Promise<void> {
  await chmod(directory, (await stat(directory)).mode | 0o011);
  const closed = await closedDirectory(directory, serverUser);
  if (closed === null) return;
  throw new StartupError(
    `Database servers run as user ${serverUser.uid} here and could not reach the data directory ${directory}: they may not pass ${closed}. Set GROVE_DATA to another directory, such as ${systemDirectory}.`,
  );
}
