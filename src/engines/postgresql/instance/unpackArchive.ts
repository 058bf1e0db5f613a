import { createHash } from 'node:crypto';
import { chownSync, closeSync, fchownSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { type Extract, extract } from 'tar-stream';
import type { ServerUser } from '#lib/serverUser.ts';
import type { ReceivedFile } from './backupManifest.ts';

type Entry = Extract extends AsyncIterable<infer Source> ? Source : never;

export type UnpackedArchive = { files: Map<string, ReceivedFile>; bytes: number };

/**
 * Unpacks a tar archive of a data directory below `into`, as it arrives. Every file and directory belongs to `owner`. Nothing is
 * durable yet when `unpacked` resolves: the server that starts on it first sees to that.
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
  for await (const entry of input) {
    const { name, type } = entry.header;
    const path = safePath(into, name);
    if (type === 'directory') {
      makeDirectory(path, entry, owner);
    } else if (type === 'file') {
      files.set(name, await writeEntry(path, entry, owner));
    } else {
      throw new Error(`A base backup with a ${type} (${name}) is not supported.`);
    }
  }
  const bytes = [...files.values()].reduce((sum, file) => sum + file.bytes, 0);
  return { files, bytes };
}

/** The archive comes from another machine: nothing in it may lie outside. */
function safePath(into: string, name: string): string {
  const path = normalize(name);
  if (path.startsWith('/') || path.split('/').includes('..'))
    throw new Error(`A base backup with the path ${name} is refused.`);
  return join(into, path);
}

function makeDirectory(path: string, entry: Entry, owner: ServerUser | null): void {
  entry.resume();
  mkdirSync(path, { recursive: true, mode: entry.header.mode });
  if (owner !== null) chownSync(path, owner.uid, owner.gid);
}

/** With synchronous calls: a data directory is a thousand small files, which cost several times as much without. */
async function writeEntry(path: string, entry: Entry, owner: ServerUser | null): Promise<ReceivedFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = openSync(path, 'wx', entry.header.mode);
  try {
    if (owner !== null) fchownSync(file, owner.uid, owner.gid);
    for await (const chunk of entry as AsyncIterable<Buffer>) {
      hash.update(chunk);
      for (let written = 0; written < chunk.length; ) written += writeSync(file, chunk, written);
      bytes += chunk.length;
    }
  } finally {
    closeSync(file);
  }
  return { bytes, sha256: hash.digest('hex') };
}
