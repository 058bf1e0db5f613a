import { open } from 'node:fs/promises';

/** Makes a file's content durable, or a directory's entries: a creation or a rename in it then survives a crash of the host. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
