import { constants, readFileSync } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StartupError } from '#lib/faults/startupError.ts';

/** An unprivileged user by its numbers, as `spawn` and `chown` take them. */
export type ServerUser = { uid: number; gid: number };

const candidates = ['postgres', 'nobody'];

/**
 * The user that database servers run as. Null: the one that runs this process. Started as root it is an unprivileged user,
 * since database servers rightly refuse to run as root.
 */
export function serverUser(): ServerUser | null {
  if (process.getuid?.() !== 0) return null;
  const entries = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const candidate of candidates) {
    const [, , uid, gid] = entries.find(([name]) => name === candidate) ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new StartupError(
    `Database servers refuse to run as root, and this system has neither a user "${candidates.join('" nor "')}". Create one, or start Grove as an ordinary user.`,
  );
}

/** Whether the user can read the file or directory at `path`, which means to pass every directory above it too. Null: this process. */
export async function canReach(path: string, user: ServerUser | null): Promise<boolean> {
  if (user === null) return succeeds(access(path, constants.R_OK));
  const target = await realpath(path).catch(() => null);
  if (target === null || (await closedDirectory(path, user)) !== null) return false;
  return allows(target, user, 0o4);
}

/** The topmost directory on the way to `path`, or at its end, that the user may not pass. Null: the way is free. */
export async function closedDirectory(path: string, user: ServerUser): Promise<string | null> {
  const target = await realpath(path);
  const way = [...ancestors(path), ...ancestors(target), ...((await stat(target)).isDirectory() ? [target] : [])];
  for (const directory of new Set(way)) {
    if (!(await allows(directory, user, 0o1))) return directory;
  }
  return null;
}

function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [] : [...ancestors(parent), parent];
}

/** `needed`: permission bits as for "others" (4 read, 2 write, 1 execute or traverse). */
async function allows(path: string, { uid, gid }: ServerUser, needed: number): Promise<boolean> {
  const { mode, uid: owner, gid: group } = await stat(path);
  const granted = owner === uid ? mode >> 6 : group === gid ? mode >> 3 : mode;
  return (granted & needed) === needed;
}

async function succeeds(attempt: Promise<unknown>): Promise<boolean> {
  return attempt.then(
    () => true,
    () => false,
  );
}
