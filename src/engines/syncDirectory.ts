import { open } from 'node:fs/promises';

/** Makes a directory's entries durable: a creation or a rename in it survives a crash of the host. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
