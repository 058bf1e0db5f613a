import { randomBytes } from 'node:crypto';
import { Socket } from 'node:net';
import { Client, type ClientConfig } from 'pg';
import type { ServerAddress } from '../commands.ts';
import { replicatorRole } from '../roles.ts';
import { BaseBackupQuery, type BaseBackupSink, type WalPosition } from './baseBackupQuery.ts';
import type { Checksums } from './checksums.ts';

/** The server that is copied. */
export type BackupSource = {
  from: ServerAddress;
  password: string;
  applicationName: string;
  /** Called now and then; `total` is an estimate. */
  onProgress(received: number, total: number): void;
  signal: AbortSignal;
};

export type ReceivedBackup = { manifest: Buffer; start: WalPosition | null; end: WalPosition | null };

/** A tablespace outside the data directory: its place would have to exist on this host too. */
export class ForeignTablespace extends Error {}

type Options = {
  /** Whether the archive has the WAL that makes it consistent by itself. */
  wal: boolean;
  /** Whether whoever takes the archive is done with a chunk when it returns. */
  lends: boolean;
  /** The kind of checksum that the manifest has of each file. */
  checksums: Checksums['algorithm'];
};

/** Takes the archive (tar) as it comes. False: no more for now; `resume` of the query when there may be more. */
type TakeArchive = (chunk: Buffer) => boolean;

const connectMs = 5000;

const baseBackupCommand = ({ wal, checksums }: Options) =>
  `BASE_BACKUP (LABEL 'grove', PROGRESS, CHECKPOINT 'fast', WAL ${wal}, WAIT false, MANIFEST 'yes', MANIFEST_CHECKSUMS '${checksums}')`;

/** Lets a server send a base backup over the replication protocol, no faster than its archive is taken. */
export async function receiveBaseBackup(
  request: BackupSource,
  options: Options,
  begin: (query: { resume(): void }) => TakeArchive,
): Promise<ReceivedBackup> {
  const socket = new Socket();
  const abort = () => socket.destroy();
  const client = replicationClient(request, socket);
  request.signal.throwIfAborted();
  request.signal.addEventListener('abort', abort);
  try {
    await client.connect();
    if (options.wal) await holdBackWal(client);
    const manifest: Buffer[] = [];
    const sink: BaseBackupSink = {
      ...countedArchive(
        request,
        (chunk) => take(chunk),
        (fault) => socket.destroy(fault),
      ),
      manifest: (chunk) => manifest.push(chunk),
    };
    const query = new BaseBackupQuery(baseBackupCommand(options), sink, { lends: options.lends });
    const take = begin(query);
    client.query(query);
    await query.done;
    return { manifest: Buffer.concat(manifest), ...query.positions };
  } finally {
    request.signal.removeEventListener('abort', abort);
    // Not awaited: node-postgres may wait for ever for the end of a session that was lost.
    void client.end().catch(() => {});
    socket.destroy();
  }
}

/** Tells how much has come; refuses a server that has files outside the data directory. */
function countedArchive(
  { onProgress }: BackupSource,
  take: TakeArchive,
  refuse: (fault: Error) => void,
): Pick<BaseBackupSink, 'begins' | 'archive'> {
  let received = 0;
  let total = 0;
  return {
    begins({ bytes, tablespaces }) {
      if (tablespaces > 0) refuse(new ForeignTablespace('The server has tablespaces outside its data directory.'));
      total = bytes;
    },
    archive(chunk) {
      received += chunk.length;
      onProgress(received, Math.max(total, received));
      return take(chunk);
    },
  };
}

/** Until this session ends: WAL that was recycled while the backup runs would be missing at its end. */
async function holdBackWal(client: Client): Promise<void> {
  const name = `grove_backup_${randomBytes(8).toString('hex')}`;
  await client.query(`CREATE_REPLICATION_SLOT ${name} TEMPORARY PHYSICAL (RESERVE_WAL)`);
}

function replicationClient({ from, password, applicationName }: BackupSource, socket: Socket): Client {
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
