import { BackupStoreError } from '#backups/backupStore.ts';
import { fingerprintOf } from '#backups/fingerprint.ts';
import type { BackupPartFacts } from '#domain/backupFacts.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import type { StepContext } from './operation.ts';

type Look = Pick<StepContext, 'backups' | 'signal'>;
type Part = Pick<BackupPartFacts, 'location' | 'bytes' | 'sha256'>;

export const missingPart = 'BACKUP_PART_MISSING';
export const damagedPart = 'BACKUP_PART_DAMAGED';

/** The part is listed in the store with its size. Throws a StepFailure that names the instance. */
export async function findStoredPart({ backups: { store }, signal }: Look, name: string, part: Part): Promise<string> {
  const { location, bytes } = part;
  const found = location === null ? null : await asStep(() => store.stat(location, { signal }));
  if (!found) throw new StepFailure(missingPart, `The part of ${name} is not in the backup store.`);
  if (found.bytes === bytes) return found.key;
  throw new StepFailure(damagedPart, `The part of ${name} has ${found.bytes} bytes in the backup store, not ${bytes}.`);
}

/** The part is listed in the store, can be read, and is what was written. Throws a StepFailure that names the instance. */
export async function checkStoredPart(context: Look, name: string, part: Part): Promise<void> {
  const { backups, signal } = context;
  const key = await findStoredPart(context, name, part);
  const { sha256 } = await asStep(() => fingerprintOf(backups.store.read(key, { signal })));
  if (sha256 === part.sha256) return;
  throw new StepFailure(
    damagedPart,
    `The part of ${name} in the backup store does not have the checksum recorded for it.`,
  );
}

/** What the store refuses, as a step tells it. */
export async function asStep<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BackupStoreError)) throw error;
    throw new StepFailure('BACKUP_STORE', error.message, { retryable: error.retryable, cause: error });
  }
}
