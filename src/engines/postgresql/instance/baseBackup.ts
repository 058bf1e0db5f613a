import type { ServerUser } from '#lib/host/serverUser.ts';
import { manifestDifference } from './backupManifest.ts';
import { quickChecksums } from './checksums.ts';
import { type BackupSource, receiveBaseBackup } from './receiveBaseBackup.ts';

export type BaseBackupRequest = BackupSource & {
  /** An empty directory that belongs to the server's user. */
  into: string;
  owner: ServerUser | null;
};

/** What was received is not what the server sent. */
export class DamagedBackup extends Error {}

/**
 * Takes a base backup over the replication protocol, unpacks it and compares it with its manifest. It is durable on return,
 * but for the entry of `into` in its parent.
 */
export async function baseBackup(request: BaseBackupRequest): Promise<{ bytes: number; files: number }> {
  // Few agents ever need it: it is loaded when one does.
  const { unpackArchive } = await import('./unpackArchive.ts');
  const checksums = await quickChecksums();
  const { input, unpacked } = unpackArchive(request.into, request.owner, checksums);
  const unpackFailed = new AbortController();
  unpacked.catch((error: unknown) => unpackFailed.abort(error));
  const signal = AbortSignal.any([request.signal, unpackFailed.signal]);
  // WAL is left out: the replica gets it through its slot, which has held it back since before the backup began.
  const options = { wal: false, lends: true, checksums: checksums.algorithm };
  const received = receiveBaseBackup({ ...request, signal }, options, (query) => {
    input.on('drain', () => query.resume());
    return (chunk) => input.write(chunk);
  });
  const { manifest } = await received.catch(async (error: unknown) => {
    const cause = signal.aborted ? signal.reason : error;
    // With an error: without one, unpacking would not end.
    input.destroy(new Error('The base backup was cut off.'));
    await unpacked.catch(() => {});
    throw cause;
  });
  input.end();
  const { files, bytes } = await unpacked;
  const difference = manifestDifference(manifest, files);
  if (difference !== null) throw new DamagedBackup(`The base backup is not whole: ${difference}.`);
  return { bytes, files: files.size };
}
