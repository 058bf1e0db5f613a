import { randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';

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
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}
