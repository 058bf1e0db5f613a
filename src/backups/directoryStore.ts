import { randomUUID } from 'node:crypto';
import { createReadStream, type Dirent } from 'node:fs';
import { mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { systemFault } from '#lib/faults/systemFault.ts';
import { syncPath } from '#lib/files/syncPath.ts';
import { assertKey, type BackupStore, BackupStoreError, type StoredFile, StoredFileMissing } from './backupStore.ts';

/** Ends the name of a file in the making. No key ends so. */
const unfinishedMark = '~';
const unfinishedName = (path: string): string => `${path}.${randomUUID()}${unfinishedMark}`;
const isUnfinished = (name: string): boolean => name.endsWith(unfinishedMark);
const chunkBytes = 1024 * 1024;

/** Files below one directory, readable by their owner only. */
export function createDirectoryStore(root: string): BackupStore {
  const pathOf = (key: string) => {
    assertKey(key);
    return join(root, ...key.split('/'));
  };
  return {
    description: 'a directory of this host',
    write: (key, content, call = {}) => asStore(key, () => writeFile(pathOf(key), content, call.signal)),
    read: (key, call = {}) => readFile(key, pathOf(key), call.signal),
    stat: (key) =>
      asStore(key, async () => {
        const found = await stat(pathOf(key)).catch(ifAbsent(null));
        return found?.isFile() ? { key, bytes: found.size } : null;
      }),
    list: (prefix) => asStore(prefix, () => listFiles(root, pathOf(prefix))),
    removeAll: (prefix) =>
      asStore(prefix, async () => {
        await rm(pathOf(prefix), { recursive: true, force: true });
        await removeEmptyAbove(root, pathOf(prefix));
      }),
  };
}

async function writeFile(
  path: string,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  await makeDirectories(dirname(path));
  await removeUnfinished(path);
  const unfinished = unfinishedName(path);
  const file = await open(unfinished, 'wx', 0o600);
  try {
    for await (const chunk of content) {
      signal?.throwIfAborted();
      await file.writeFile(chunk);
    }
    await file.sync();
    await file.close();
    await rename(unfinished, path);
    await syncPath(dirname(path));
  } catch (error) {
    await file.close().catch(() => {});
    await rm(unfinished, { force: true });
    throw error;
  }
}

/** What a writer of the same file left who was killed. Nobody else knows of it, and it may be as large as the whole. */
async function removeUnfinished(path: string): Promise<void> {
  const { length } = unfinishedName(path);
  const names = await readdir(dirname(path));
  const left = names.map((name) => join(dirname(path), name)).filter((file) => file.startsWith(`${path}.`));
  for (const file of left) if (file.length === length && isUnfinished(file)) await rm(file, { force: true });
}

/** Each one's entry is durable, too. */
async function makeDirectories(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let path = directory; path.length >= first.length; path = dirname(path)) await syncPath(dirname(path));
}

async function* readFile(key: string, path: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const options = { highWaterMark: chunkBytes, ...(signal === undefined ? {} : { signal }) };
  try {
    yield* createReadStream(path, options) as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT'
      ? new StoredFileMissing(key, error)
      : storeError(key, error);
  }
}

async function listFiles(root: string, path: string): Promise<StoredFile[]> {
  const entries: Dirent[] = await readdir(path, { recursive: true, withFileTypes: true }).catch(ifAbsent([]));
  const files: StoredFile[] = [];
  for (const entry of entries) {
    if (!entry.isFile() || isUnfinished(entry.name)) continue;
    const file = join(entry.parentPath, entry.name);
    const found = await stat(file).catch(ifAbsent(null));
    if (found) files.push({ key: relative(root, file), bytes: found.size });
  }
  return files.sort((one, other) => (one.key < other.key ? -1 : 1));
}

/** Directories that held nothing else go too; the root stays. */
async function removeEmptyAbove(root: string, path: string): Promise<void> {
  for (let directory = dirname(path); directory.length > root.length; directory = dirname(directory)) {
    const removed = await rmdir(directory).then(
      () => true,
      () => false,
    );
    if (!removed) return;
  }
}

const ifAbsent =
  <T>(value: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return value;
    throw error;
  };

async function asStore<T>(key: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeError(key, error);
  }
}

/** What the system refuses may be put right by a person; what the content's maker threw is not the store's to judge. */
function storeError(key: string, error: unknown): unknown {
  const fault = systemFault(error);
  if (fault === null) return error;
  return new BackupStoreError(`The backup store refused ${key}: ${fault.message}.`, { retryable: true, cause: error });
}
