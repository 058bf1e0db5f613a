import { chown, mkdir, rename, rm } from 'node:fs/promises';
import { type BackupStore, BackupStoreError, StoredFileMissing } from '#backups/backupStore.ts';
import { fingerprinted, fingerprintOf } from '#backups/fingerprint.ts';
import { systemFault } from '#lib/faults/systemFault.ts';
import { withoutPaths } from '#lib/faults/withoutPaths.ts';
import { syncPath } from '#lib/files/syncPath.ts';
import { type CommandCall, CommandFailure } from '../../instanceSide.ts';
import type { PostgresqlCommands, StoredPart } from '../commands.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';

type Restore = PostgresqlCommands['restore'];

/** Gives an empty instance the data of a part. What an interrupted run left is thrown away and made again. */
export async function restore(
  instance: PostgresqlInstance,
  { part }: Restore['input'],
  call: CommandCall,
): Promise<Restore['result']> {
  if ((await instance.exists()) && (await instance.state()).wanted !== 'none') {
    throw new CommandFailure(
      'NOT_EMPTY',
      `Instance ${instance.host.name} has data already, which a restore would replace.`,
    );
  }
  return unpackPart(instance, part, call);
}

/** As `restore`, unless this agent has done it: a later one cannot know whether what it finds survived a crash of the host. */
export async function ensureRestored(instance: PostgresqlInstance, part: StoredPart, call: CommandCall): Promise<void> {
  if (instance.restoredPart !== part.sha256) await unpackPart(instance, part, call);
}

async function unpackPart(
  instance: PostgresqlInstance,
  part: StoredPart,
  call: CommandCall,
): Promise<Restore['result']> {
  const { layout, host } = instance;
  call.progress('reading the backup');
  instance.restoredPart = null;
  await instance.changeState({ wanted: 'none', upstream: null, recovering: false });
  await instance.supervisor.stop();
  for (const path of [layout.data, layout.unfinishedData]) await rm(path, { recursive: true, force: true });
  await mkdir(layout.unfinishedData, { mode: 0o700 });
  if (host.serverUser !== null) await chown(layout.unfinishedData, host.serverUser.uid, host.serverUser.gid);
  try {
    const unpacked = await unpackInto(instance, part, call);
    await rename(layout.unfinishedData, layout.data);
    await syncPath(layout.directory);
    instance.restoredPart = part.sha256;
    return unpacked;
  } catch (error) {
    await rm(layout.unfinishedData, { recursive: true, force: true });
    throw restoreFailure(error, host.name);
  }
}

/** The part's file as it comes, checked as it goes by. */
async function unpackInto(
  { layout, host }: PostgresqlInstance,
  part: StoredPart,
  call: CommandCall,
): Promise<Restore['result']> {
  // Few agents ever need it: tar-stream is loaded when one does.
  const [{ unpackArchive }, { decompressed }] = await Promise.all([
    import('./unpackArchive.ts'),
    import('./archiveFile.ts'),
  ]);
  const store = await call.openStore();
  const { content, fingerprint } = fingerprinted(store.read(part.key, { signal: call.signal }));
  const { input, unpacked } = unpackArchive(layout.unfinishedData, host.serverUser);
  unpacked.catch(() => {});
  let seen = 0;
  try {
    for await (const chunk of decompressed(content)) {
      seen += chunk.length;
      call.progress(`unpacked ${Math.round(seen / 2 ** 20)} MiB`);
      if (!input.write(chunk as Buffer)) await Promise.race([drained(input), unpacked]);
    }
    input.end();
    const { files, bytes } = await unpacked;
    if (fingerprint().sha256 !== part.sha256) throw damaged(host.name);
    return { bytes, files: files.size };
  } catch (error) {
    input.destroy(new Error('The restore was cut off.'));
    throw (await isDamaged(store, part, error, call.signal)) ? damaged(host.name) : error;
  }
}

function drained(input: NodeJS.EventEmitter): Promise<void> {
  return new Promise((resolve) => {
    input.once('drain', () => resolve());
  });
}

const damaged = (name: string) =>
  new CommandFailure(
    'BACKUP_PART_DAMAGED',
    `The part of the backup that ${name} is made from is damaged: its checksum is not the recorded one.`,
  );

/** What cannot be unpacked may not be what was stored: then that is the cause. */
async function isDamaged(store: BackupStore, part: StoredPart, error: unknown, signal: AbortSignal): Promise<boolean> {
  const refused = error instanceof BackupStoreError || (error instanceof Error && 'syscall' in error);
  if (refused || signal.aborted) return false;
  const found = await fingerprintOf(store.read(part.key, { signal }));
  return found.sha256 !== part.sha256;
}

function restoreFailure(error: unknown, name: string): unknown {
  if (error instanceof CommandFailure) return error;
  const what = `The restore of ${name} failed`;
  if (error instanceof StoredFileMissing) {
    return new CommandFailure('BACKUP_PART_MISSING', `${what}: ${error.message}`, { cause: error });
  }
  if (error instanceof BackupStoreError) {
    return new CommandFailure('BACKUP_STORE', `${what}: ${error.message}`, {
      retryable: error.retryable,
      cause: error,
    });
  }
  const reason = systemFault(error)?.message ?? withoutPaths(error instanceof Error ? error.message : String(error));
  return new CommandFailure('RESTORE_FAILED', `${what}: ${reason}`, { retryable: true, cause: error });
}
