import type { Readable } from 'node:stream';
import { BackupStoreError } from '#backups/backupStore.ts';
import { fingerprinted } from '#backups/fingerprint.ts';
import { systemFault } from '#lib/faults/systemFault.ts';
import { withoutPaths } from '#lib/faults/withoutPaths.ts';
import { type CommandCall, CommandFailure } from '../../instanceSide.ts';
import type { PostgresqlCommands } from '../commands.ts';
import { replicatorRole } from '../roles.ts';
import { manifestDifference, type ReceivedFile } from './backupManifest.ts';
import { DamagedBackup } from './baseBackup.ts';
import { inMebibytes } from './inMebibytes.ts';
import { PacedArchive } from './pacedArchive.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';
import { ForeignTablespace, type ReceivedBackup, receiveBaseBackup } from './receiveBaseBackup.ts';
import { storageUsage } from './storageUsage.ts';

type BackUp = PostgresqlCommands['backUp'];

/** Copies the running server, whatever its role, into the store. Writes go on meanwhile. */
export async function backUp(
  instance: PostgresqlInstance,
  { key }: BackUp['input'],
  call: CommandCall,
): Promise<BackUp['result']> {
  await instance.assertInitialized();
  await instance.ensureServing(call);
  const store = await call.openStore();
  call.progress('copying the server');
  const stop = new AbortController();
  const signal = AbortSignal.any([call.signal, stop.signal]);
  const { compressed } = await import('./archiveFile.ts');
  const expectedBytes = await storageUsage(instance.layout.data);
  const { archive, received } = await archiveOf(instance, { ...call, signal });
  const { content, fingerprint } = fingerprinted(compressed(archive));
  const stored = store.write(key, content, { signal, expectedBytes });
  // Whichever fails first ends the other: a backup that is not stored need not be sent, and half of one need not be stored.
  stored.catch((error: unknown) => stop.abort(error));
  received.catch((error: unknown) => archive.destroy(error instanceof Error ? error : undefined));
  try {
    const [{ start, end, dataBytes }] = await Promise.all([received, stored]);
    return { ...fingerprint(), dataBytes, start, end };
  } catch (error) {
    throw backUpFailure(stop.signal.aborted ? stop.signal.reason : error, instance.host.name);
  } finally {
    stop.abort(new Error('The backup has ended.'));
    await Promise.allSettled([received, stored]);
  }
}

type Positions = Pick<BackUp['result'], 'start' | 'end' | 'dataBytes'>;

/** The server's archive as a stream, and what is known once it was received and found to be as its manifest says. */
async function archiveOf(
  instance: PostgresqlInstance,
  { progress, signal }: Pick<CommandCall, 'progress' | 'signal'>,
): Promise<{ archive: Readable; received: Promise<Positions> }> {
  const { digestArchive } = await import('./digestArchive.ts');
  const { input, digested } = digestArchive();
  const password = await instance.secret(replicatorRole);
  const { address, port, name } = instance.host;
  const archive = new PacedArchive(input);
  const receiving = receiveBaseBackup(
    {
      from: { host: address, port },
      password,
      applicationName: `${name} backup`,
      onProgress: (bytes, total) => progress(`copied ${inMebibytes(bytes)} of ${inMebibytes(total)} MiB`),
      signal,
    },
    { wal: true, lends: false, checksums: 'SHA256' },
    (query) => archive.takeFrom(query),
  );
  const received = receiving.then(
    async (backup) => {
      input.end(null);
      const positions = verified(backup, await digested);
      // Only what is whole comes to its end, and so into the store.
      archive.end();
      return positions;
    },
    (error: unknown) => {
      input.destroy(new Error('The base backup was cut off.'));
      throw error;
    },
  );
  // Whoever reads hears of a failure too; here it must only not be nobody's.
  archive.stream.on('error', () => {});
  received.catch(() => {});
  digested.catch((error: unknown) => archive.stream.destroy(error instanceof Error ? error : undefined));
  return { archive: archive.stream, received };
}

function verified({ manifest, start, end }: ReceivedBackup, files: Map<string, ReceivedFile>): Positions {
  const difference = manifestDifference(manifest, files);
  if (difference !== null) throw new DamagedBackup(`The base backup is not whole: ${difference}.`);
  if (start === null || end === null) throw new Error('The server did not say where its base backup begins and ends.');
  const dataBytes = [...files.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  return { start, end, dataBytes };
}

function backUpFailure(error: unknown, name: string): unknown {
  if (error instanceof CommandFailure) return error;
  const what = `The backup of ${name} failed`;
  if (error instanceof BackupStoreError) {
    return new CommandFailure('BACKUP_STORE', `${what}: ${error.message}`, {
      retryable: error.retryable,
      cause: error,
    });
  }
  const reason = systemFault(error)?.message ?? withoutPaths(error instanceof Error ? error.message : String(error));
  const code = error instanceof ForeignTablespace ? 'TABLESPACES' : 'BACKUP_FAILED';
  return new CommandFailure(code, `${what}: ${reason}`, { retryable: code !== 'TABLESPACES', cause: error });
}
