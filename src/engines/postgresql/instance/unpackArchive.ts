import { createHash } from 'node:crypto';
import { chown, type FileHandle, mkdir, open } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { type Extract, extract } from 'tar-stream';
import type { ServerUser } from '#lib/serverUser.ts';
import { syncDirectory } from '../../syncDirectory.ts';
import type { ReceivedFile } from './backupManifest.ts';

/** How many finished files may wait to be on disk while the next ones are written. */
const syncsAtOnce = 32;

type Entry = Extract extends AsyncIterable<infer Source> ? Source : never;

export type UnpackedArchive = { files: Map<string, ReceivedFile>; bytes: number };

/**
 * Unpacks a tar archive of a data directory below `into`, as it arrives. Every file and directory belongs to `owner` and is
 * durable when `unpacked` resolves.
 */
export function unpackArchive(
  into: string,
  owner: ServerUser | null,
): { input: Extract; unpacked: Promise<UnpackedArchive> } {
  const input = extract();
  return { input, unpacked: unpackEntries(input, into, owner) };
}

async function unpackEntries(input: Extract, into: string, owner: ServerUser | null): Promise<UnpackedArchive> {
  const files = new Map<string, ReceivedFile>();
  const directories = new Set([into]);
  const syncs = new Set<Promise<void>>();
  let bytes = 0;
  for await (const entry of input) {
    const path = safePath(into, entry.header.name);
    if (entry.header.type === 'directory') {
      await makeDirectory(path, entry, owner);
      directories.add(path);
      continue;
    }
    if (entry.header.type !== 'file')
      throw new Error(`A base backup with a ${entry.header.type} (${entry.header.name}) is not supported.`);
    const { file, received } = await writeEntry(path, entry, owner);
    files.set(entry.header.name, received);
    bytes += received.bytes;
    const sync = syncAndClose(file).finally(() => syncs.delete(sync));
    syncs.add(sync);
    if (syncs.size >= syncsAtOnce) await Promise.race(syncs);
  }
  await Promise.all(syncs);
  await Promise.all([...directories].map(syncDirectory));
  return { files, bytes };
}

/** The archive comes from another machine: nothing in it may lie outside. */
function safePath(into: string, name: string): string {
  const path = normalize(name);
  if (path.startsWith('/') || path.split('/').includes('..'))
    throw new Error(`A base backup with the path ${name} is refused.`);
  return join(into, path);
}

async function makeDirectory(path: string, entry: Entry, owner: ServerUser | null): Promise<void> {
  entry.resume();
  await mkdir(path, { recursive: true, mode: entry.header.mode ?? 0o700 });
  if (owner !== null) await chown(path, owner.uid, owner.gid);
}

async function writeEntry(
  path: string,
  entry: Entry,
  owner: ServerUser | null,
): Promise<{ file: FileHandle; received: ReceivedFile }> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await open(path, 'wx', entry.header.mode ?? 0o600);
  try {
    if (owner !== null) await file.chown(owner.uid, owner.gid);
    for await (const chunk of entry as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
      await file.writeFile(chunk);
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  return { file, received: { bytes, sha256: hash.digest('hex') } };
}

async function syncAndClose(file: FileHandle): Promise<void> {
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
