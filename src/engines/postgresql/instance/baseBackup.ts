import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { Client, type ClientConfig } from 'pg';
import type { ServerUser } from '#lib/serverUser.ts';
import type { ServerAddress } from '../commands.ts';
import { replicatorRole } from '../roles.ts';
import { manifestDifference } from './backupManifest.ts';
import { BaseBackupQuery, type BaseBackupSink } from './baseBackupQuery.ts';

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
  // Few agents ever need it: it is loaded when one does.
  const { unpackArchive } = await import('./unpackArchive.ts');
  const { input, unpacked } = unpackArchive(request.into, request.owner);
  const unpackFailed = new AbortController();
  unpacked.catch((error: unknown) => unpackFailed.abort(error));
  const signal = AbortSignal.any([request.signal, unpackFailed.signal]);
  const manifest = await receive({ ...request, signal }, input).catch(async (error: unknown) => {
    const cause = signal.aborted ? signal.reason : error;
    // With an error: without one, unpacking would not end.
    input.destroy(new Error('The base backup was cut off.'));
    await unpacked.catch(() => {});
    throw cause;
  });
  const { files, bytes } = await unpacked;
  const difference = manifestDifference(manifest, files);
  if (difference !== null) throw new DamagedBackup(`The base backup is not whole: ${difference}.`);
  return { bytes, files: files.size };
}

/** Lets the server send the backup into `archive`, no faster than that takes it. Answers with the manifest. */
async function receive(request: BaseBackupRequest, archive: Writable): Promise<Buffer> {
  const socket = new Socket();
  const abort = () => socket.destroy();
  const client = replicationClient(request, socket);
  request.signal.throwIfAborted();
  request.signal.addEventListener('abort', abort);
  try {
    await client.connect();
    const manifest: Buffer[] = [];
    let received = 0;
    let total = 0;
    const sink: BaseBackupSink = {
      begins({ bytes, tablespaces }) {
        if (tablespaces > 0)
          socket.destroy(new ForeignTablespace('The primary has tablespaces outside its data directory.'));
        total = bytes;
      },
      archive(chunk) {
        received += chunk.length;
        request.onProgress(received, Math.max(total, received));
        return archive.write(chunk);
      },
      manifest: (chunk) => manifest.push(chunk),
    };
    // What unpacks is done with a chunk when its `write` returns.
    const query = new BaseBackupQuery(command, sink, { lends: true });
    archive.on('drain', () => query.resume());
    client.query(query);
    await query.done;
    archive.end();
    return Buffer.concat(manifest);
  } finally {
    request.signal.removeEventListener('abort', abort);
    // Not awaited: node-postgres may wait for ever for the end of a session that was lost.
    void client.end().catch(() => {});
    socket.destroy();
  }
}

function replicationClient({ from, password, applicationName }: BaseBackupRequest, socket: Socket): Client {
  const config: ClientConfig & { replication: string } = {
    ...from,
    user: replicatorRole,
    password,
    replication: 'true',
    application_name: applicationName,
    connectionTimeoutMillis: connectMs,
    stream: () => socket,
  };
  const client = new Client(config);
  // The loss of the session fails the query, which reports it; without a listener it would end the agent too.
  client.on('error', () => {});
  return client;
}
