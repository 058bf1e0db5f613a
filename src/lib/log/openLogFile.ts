import { type FileHandle, open, rename, stat } from 'node:fs/promises';

/** Opens a log to append to, readable by its owner only. One longer than `maxBytes` is first set aside, in the place of the one before. */
export async function openLogFile(path: string, { maxBytes }: { maxBytes: number }): Promise<FileHandle> {
  const bytes = (await stat(path).catch(() => null))?.size ?? 0;
  if (bytes > maxBytes) await rename(path, `${path}.1`);
  return open(path, 'a', 0o600);
}
