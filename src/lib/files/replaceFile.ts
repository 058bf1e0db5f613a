import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ServerUser } from '#lib/host/serverUser.ts';
import { syncPath } from './syncPath.ts';

export type FileOwnership = {
  /** Whatever the umask. 0600 unless told otherwise. */
  mode?: number;
  /** The user that it belongs to. Null: this process's own. */
  owner?: ServerUser | null;
};

/**
 * Replaces a file as a whole, or makes it: whoever reads it finds the old text or the new one, also after a crash of the host.
 * `durable`: on return it is the new one even then. One writer at a time for each file.
 */
export async function replaceFile(
  path: string,
  text: string,
  { durable = false, ...ownership }: FileOwnership & { durable?: boolean } = {},
): Promise<void> {
  const unfinished = `${path}.new`;
  await writeNewFile(unfinished, text, ownership);
  await rename(unfinished, path);
  if (durable) await syncPath(dirname(path));
}

/** Makes a file anew, in the place of what an interrupted run left, with its text on disk. */
export async function writeNewFile(
  path: string,
  text: string,
  { mode = 0o600, owner = null }: FileOwnership = {},
): Promise<void> {
  // An exclusive creation never follows a symbolic link that someone else has put there.
  await rm(path, { force: true });
  const file = await open(path, 'wx', mode);
  try {
    await file.chmod(mode);
    if (owner !== null) await file.chown(owner.uid, owner.gid);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
