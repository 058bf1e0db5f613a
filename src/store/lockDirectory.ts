import { existsSync } from 'node:fs';
import { readdir, readlink, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { StartupError } from '#lib/faults/startupError.ts';
import { processIdentity, processIsRunning } from '#lib/host/processes.ts';

const lockName = /^lock-(\d+)$/;
const free = 'free';

/**
 * Takes the directory for this process until the returned function is called or the process ends. Throws a StartupError if
 * another process has it.
 *
 * The lock is the newest of the numbered links `lock-N`, and its target names the holder. To make a link is one atomic step
 * that fails if it exists, and the newest is never removed but only followed by a newer one. So of several processes that find
 * the holder dead, one makes the next link, and none can take away a lock that it did not mean.
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  for (;;) {
    const newest = await newestLock(directory);
    const holder = newest === 0 ? free : await holderOf(directory, newest);
    if (holder === null) continue;
    refuseIfHeld(directory, holder);
    const mine = newest + 1;
    if (!(await claim(directory, mine, self()))) continue;
    // The list that it was chosen from may have been stale.
    if ((await newestLock(directory)) === mine) {
      await removeBefore(directory, mine);
      return () => release(directory, mine);
    }
    await remove(directory, mine);
  }
}

async function release(directory: string, mine: number): Promise<void> {
  if (!existsSync(directory)) return;
  await claim(directory, mine + 1, free);
  await removeBefore(directory, mine + 1);
}

async function newestLock(directory: string): Promise<number> {
  return Math.max(0, ...(await locksIn(directory)));
}

async function locksIn(directory: string): Promise<number[]> {
  const numbers = (await readdir(directory)).map((name) => Number(lockName.exec(name)?.[1]));
  return numbers.filter(Number.isInteger);
}

/** Null: it is gone, since a newer one came. */
async function holderOf(directory: string, lock: number): Promise<string | null> {
  return readlink(linkOf(directory, lock)).catch(ifAbsent(null));
}

async function claim(directory: string, lock: number, holder: string): Promise<boolean> {
  try {
    await symlink(holder, linkOf(directory, lock));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function removeBefore(directory: string, newest: number): Promise<void> {
  const older = (await locksIn(directory)).filter((lock) => lock < newest);
  await Promise.all(older.map((lock) => remove(directory, lock)));
}

async function remove(directory: string, lock: number): Promise<void> {
  await unlink(linkOf(directory, lock)).catch(ifAbsent(undefined));
}

function refuseIfHeld(directory: string, holder: string): void {
  if (holder === free) return;
  const separator = holder.indexOf('@');
  const [pid, identity] = [Number(holder.slice(0, separator)), holder.slice(separator + 1)];
  if (!processIsRunning(pid) || (processIdentity(pid) ?? '') !== identity) return;
  throw new StartupError(
    `The data directory ${directory} is in use by another Grove (pid ${pid}). Stop that one, or set GROVE_DATA to another directory.`,
  );
}

function self(): string {
  return `${process.pid}@${processIdentity(process.pid) ?? ''}`;
}

function linkOf(directory: string, lock: number): string {
  return join(directory, `lock-${lock}`);
}

function ifAbsent<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
}
