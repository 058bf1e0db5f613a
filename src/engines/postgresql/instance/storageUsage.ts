import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';

const blockBytes = 512;

/** Bytes on disk of everything below a directory. Files that vanish meanwhile do not count. */
export async function storageUsage(directory: string): Promise<number> {
  let bytes = 0;
  const pending = [directory];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const entries = await opendir(next).catch(() => null);
    if (entries === null) continue;
    for await (const entry of entries) {
      const path = join(next, entry.name);
      if (entry.isDirectory()) pending.push(path);
      else bytes += ((await lstat(path).catch(() => null))?.blocks ?? 0) * blockBytes;
    }
  }
  return bytes;
}
