import { chownSync, close, closeSync, fchownSync, fdatasync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { Writable } from 'node:stream';
import { promisify } from 'node:util';
import type { ServerUser } from '#lib/host/serverUser.ts';
import type { ReceivedFile } from './backupManifest.ts';
import { type Checksums, type FileChecksum, sha256Checksums } from './checksums.ts';
import { type TarEntry, TarReader } from './tarReader.ts';

export type UnpackedArchive = { files: Map<string, ReceivedFile>; bytes: number };

/** So much of a file is written before the disk is told to begin with it, while more comes. */
const syncEveryBytes = 32 * 1024 * 1024;
/** Each write is done when it returns, so nothing is ever held back; below this the stream would ask for pauses. */
const neverFullBytes = 1024 * 1024;

/**
 * Unpacks a tar archive of a data directory below `into`, as it arrives. Every file and directory belongs to `owner`. Not all is
 * durable yet when `unpacked` resolves: the server that starts on it first sees to that. Much of it is, since large files go to the
 * disk while the rest comes.
 */
export function unpackArchive(
  into: string,
  owner: ServerUser | null,
  checksums: Checksums = sha256Checksums,
): { input: Writable; unpacked: Promise<UnpackedArchive> } {
  const directory = new UnpackingDirectory(into, owner, checksums);
  const reader = new TarReader(directory);
  const { promise: unpacked, resolve, reject } = Promise.withResolvers<UnpackedArchive>();
  const input = new Writable({
    highWaterMark: neverFullBytes,
    write(chunk: Buffer, _encoding, taken) {
      try {
        reader.take(chunk);
        taken();
      } catch (error) {
        taken(error instanceof Error ? error : new Error(String(error)));
      }
    },
    final(ended) {
      const whole = reader.isComplete ? directory.settled() : Promise.reject(new Error('The archive was cut off.'));
      whole.then(() => ended(), ended);
    },
    destroy(error, destroyed) {
      directory.letGo().then(
        () => destroyed(error),
        () => destroyed(error),
      );
    },
  });
  input.once('finish', () => resolve({ files: directory.files, bytes: directory.bytes }));
  input.once('error', reject);
  return { input, unpacked };
}

type OpenFile = { name: string; descriptor: number; checksum: FileChecksum; bytes: number; unsynced: number };

/** With synchronous calls: a data directory is a thousand small files, which cost several times as much without. */
class UnpackingDirectory {
  readonly files = new Map<string, ReceivedFile>();
  bytes = 0;
  readonly #into: string;
  readonly #owner: ServerUser | null;
  readonly #checksums: Checksums;
  readonly #syncs = new Set<Promise<void>>();
  #syncFailure: unknown = null;
  #file: OpenFile | null = null;

  constructor(into: string, owner: ServerUser | null, checksums: Checksums) {
    this.#into = into;
    this.#owner = owner;
    this.#checksums = checksums;
  }

  begin({ name, type, mode }: TarEntry): void {
    const path = safePath(this.#into, name);
    switch (type) {
      case 'directory':
        this.#makeDirectory(path, mode);
        break;
      case 'file':
        this.#openFile(path, name, mode);
        break;
      case 'other':
        throw new Error(`A base backup with something that is neither file nor directory (${name}) is not supported.`);
    }
  }

  content(chunk: Buffer): void {
    const file = this.#file;
    if (file === null) return;
    file.checksum.update(chunk);
    for (let written = 0; written < chunk.length; ) written += writeSync(file.descriptor, chunk, written);
    file.bytes += chunk.length;
    file.unsynced += chunk.length;
    if (file.unsynced >= syncEveryBytes && this.#syncs.size === 0) {
      file.unsynced = 0;
      this.#inBackground(promisify(fdatasync)(file.descriptor));
    }
  }

  end(): void {
    const file = this.#file;
    if (file === null) return;
    this.#file = null;
    this.files.set(file.name, { bytes: file.bytes, ...file.checksum.digest() });
    this.bytes += file.bytes;
    this.#close(file);
  }

  /** Nothing is on its way to the disk any more. Throws if it did not get there: nobody would be told again. */
  async settled(): Promise<void> {
    while (this.#syncs.size > 0) await Promise.all(this.#syncs);
    if (this.#syncFailure !== null) throw this.#syncFailure;
  }

  async letGo(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    if (file !== null) this.#close(file);
    await this.settled();
  }

  #makeDirectory(path: string, mode: number): void {
    mkdirSync(path, { recursive: true, mode });
    if (this.#owner !== null) chownSync(path, this.#owner.uid, this.#owner.gid);
  }

  #openFile(path: string, name: string, mode: number): void {
    const descriptor = openSync(path, 'wx', mode);
    this.#file = { name, descriptor, checksum: this.#checksums.begin(), bytes: 0, unsynced: 0 };
    if (this.#owner !== null) fchownSync(descriptor, this.#owner.uid, this.#owner.gid);
  }

  /** A descriptor that may be in use by a sync is closed after that: its number would be another file's. */
  #close({ descriptor, bytes }: OpenFile): void {
    if (bytes < syncEveryBytes) closeSync(descriptor);
    else this.#inBackground(promisify(fdatasync)(descriptor).finally(() => promisify(close)(descriptor)));
  }

  #inBackground(sync: Promise<void>): void {
    const pending = sync
      .catch((error: unknown) => {
        this.#syncFailure ??= error;
      })
      .finally(() => this.#syncs.delete(pending));
    this.#syncs.add(pending);
  }
}

/** The archive comes from another machine: nothing in it may lie outside. */
function safePath(into: string, name: string): string {
  const path = normalize(name);
  if (path.startsWith('/') || path.split('/').includes('..'))
    throw new Error(`A base backup with the path ${name} is refused.`);
  return join(into, path);
}
