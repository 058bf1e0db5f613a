import { assertNever } from '#lib/values/assertNever.ts';
import type { BackupStore } from './backupStore.ts';
import { createDirectoryStore } from './directoryStore.ts';
import { createS3Store } from './s3Store.ts';
import type { StoreSettings } from './storeSettings.ts';

/** The backup store of these settings. Touches nothing yet. */
export function openBackupStore({ place, credentials }: StoreSettings): BackupStore {
  switch (place.kind) {
    case 'DIRECTORY':
      return createDirectoryStore(place.path);
    case 'S3':
      return createS3Store(place, credentials);
    default:
      return assertNever(place);
  }
}
