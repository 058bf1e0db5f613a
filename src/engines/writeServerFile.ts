import { open, rename, rm } from 'node:fs/promises';
import type { ServerUser } from '#lib/serverUser.ts';

/**
 * Writes a file whole or not at all: a reader finds the old content or the new, also after a crash of the host. Mode 0600.
 * `owner`: the user that must be able to read it; null: this process's own.
 */
export async function writeServerFile(path: string, content: string, owner: ServerUser | null): Promise<void> {
  const unfinished = `${path}.${process.pid}.new`;
  // An exclusive creation never follows a symbolic link that someone else has put there.
  await rm(unfinished, { force: true });
  const file = await open(unfinished, 'wx', 0o600);
  try {
    if (owner !== null) await file.chown(owner.uid, owner.gid);
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
}
