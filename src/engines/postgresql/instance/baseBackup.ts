import { once } from 'node:events';
import { Client, type ClientConfig } from 'pg';
import type { ServerUser } from '#lib/serverUser.ts';
import type { ServerAddress } from '../commands.ts';
import { replicatorRole } from '../roles.ts';
import { manifestDifference } from './backupManifest.ts';
import { BaseBackupQuery } from './baseBackupQuery.ts';

export type BaseBackupRequest = {
  from: ServerAddress;
  password: string;
  applicationName: string;
  /** An empty directory that belongs to the server's user. */
  into: string;
  owner: ServerUser | null;
  /** Called now and then; `total` is an estimate. */
  onProgress(received: number, total: number): void;
  signal: AbortSignal;
};

/** What was received is not what the server sent. */
export class DamagedBackup extends Error {}

/** A tablespace outside the data directory: its place would have to exist on this host too. */
export class ForeignTablespace extends Error {}

const connectMs = 5000;
/** WAL is left out: the replica gets it through its slot, which has held it back since before the backup began. */
const command =
  "BASE_BACKUP (LABEL 'grove', PROGRESS, CHECKPOINT 'fast', WAL false, WAIT false, MANIFEST 'yes', MANIFEST_CHECKSUMS 'SHA256')";

/**
 * Takes a base backup over the replication protocol, unpacks it and compares it with its manifest. It is durable on return,
 * but for the entry of `into` in its parent.
 */
export async function baseBackup(request: BaseBackupRequest): Promise<{ bytes: number; files: number }> {
  // Few agents ever need it: tar-stream is loaded when one does.
  const { unpackArchive } = await import('./unpackArchive.ts');
  const { input, unpacked } = unpackArchive(request.into, request.owner);
  // Whichever of the two fails first is reported; the other is then a consequence.
  unpacked.catch(() => {});
  const { manifest } = await Promise.race([receive(request, input), unpacked.then(() => receiveFirst)]);
  const { files, bytes } = await unpacked;
  const difference = manifestDifference(manifest, files);
  if (difference !== null) throw new DamagedBackup(`The base backup is not whole: ${difference}.`);
  return { bytes, files: files.size };
}
