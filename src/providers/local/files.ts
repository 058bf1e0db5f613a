import { chmod, link, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { writeNewFile } from '#lib/files/replaceFile.ts';

/** Makes the directory, with at least this mode whatever the umask. */
export async function ensureDirectory(path: string, mode: number): Promise<void> {
  await mkdir(path, { recursive: true, mode });
  const permissions = (await stat(path)).mode & 0o777;
  if ((permissions & mode) !== mode) await chmod(path, permissions | mode);
}

/** Makes the file with its text in one step. False: there is one already. */
export async function createFile(path: string, text: string, unfinished: string): Promise<boolean> {
  await writeNewFile(unfinished, text);
  try {
    await link(unfinished, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(unfinished, { force: true });
  }
}

/** Null: there is no such file. */
export async function readText(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(nullIfAbsent);
}

/** Null: there is no such file, or it does not hold JSON. */
export async function readJson<T>(path: string): Promise<T | null> {
  const text = await readText(path);
  if (text === null) return null;
  try {
    return JSON.parse(text) as T;
  } catch {
    return null;
  }
}

/** Names in a directory; none if it does not exist. */
export async function listNames(path: string): Promise<string[]> {
  return (await readdir(path).catch(nullIfAbsent)) ?? [];
}

function nullIfAbsent(error: unknown): null {
  const code = codeOf(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') return null;
  throw error;
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
