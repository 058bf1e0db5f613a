import type { BackupStore } from '#backups/backupStore.ts';
import type { S3Credentials, StorePlace } from '#backups/storeSettings.ts';
import { CommandFailure } from '#engines/instanceSide.ts';
import type { JsonObject } from '#lib/values/json.ts';

/** The backup store that a command names, with the credentials that came with it. Loaded when a command needs it: few ever do. */
export async function openStore({ store }: JsonObject, credentials: string | undefined): Promise<BackupStore> {
  if (store === undefined || store === null) throw new CommandFailure('NO_STORE', 'The command names no backup store.');
  const { openBackupStore } = await import('#backups/openBackupStore.ts');
  return openBackupStore({
    // The control plane's types made it (backups/storeSettings.ts); it came over an authenticated wire.
    place: store as StorePlace,
    credentials: credentials === undefined ? null : (JSON.parse(credentials) as S3Credentials),
  });
}
