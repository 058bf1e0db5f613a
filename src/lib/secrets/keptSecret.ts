import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { replaceFile } from '#lib/files/replaceFile.ts';

/** Reads the file, or makes it with `bytes` random bytes in Base64, readable by its owner only and on disk when this returns. */
export async function keptSecret(path: string, bytes: number): Promise<string> {
  const kept = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (kept !== null) return kept.trim();
  const secret = randomBytes(bytes).toString('base64');
  await writePrivately(path, `${secret}\n`);
  return secret;
}

/** Writes a file that only its owner can read: whole and on disk, or not at all. */
export async function writePrivately(path: string, text: string): Promise<void> {
  await replaceFile(path, text, { durable: true });
}
