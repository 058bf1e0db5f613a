import { counted } from '#lib/values/counted.ts';
import {
  BackupNotRestorableError,
  IncompleteBackupError,
  RestoreSizeMismatchError,
  restoreAnother,
} from './backupErrors.ts';
import type { BackupFacts } from './backupFacts.ts';
import { isCompleted } from './backupStatus.ts';
import { type DomainError, EngineUnavailableError, InvalidInputError } from './errors.ts';
import type { InstanceSize } from './facts.ts';

/** A version of an engine, as far as a restore looks at it. */
type Version = { version: string; available: boolean; unavailableReason: string | null };

/** Every reason why a backup cannot be restored now, whatever is asked for. `versions`: of its engine; null: that is not known. */
export function restoreBlockers(backup: BackupFacts, versions: readonly Version[] | null): DomainError[] {
  return [...incomplete(backup), ...engineMissing(backup, versions)];
}

/** The backup as it were if nothing had been found wrong with its parts. */
export const withoutFaults = (backup: BackupFacts): BackupFacts => ({
  ...backup,
  parts: backup.parts.map((part) => ({ ...part, fault: null })),
});

function incomplete({ name, status, instanceCount, parts }: BackupFacts): DomainError[] {
  if (!isCompleted(status)) return [new BackupNotRestorableError(name, `it is ${status}, not COMPLETED`)];
  const missing = parts.filter(
    ({ location, sha256, fault }) => location === null || sha256 === null || fault === 'MISSING',
  );
  const damaged = parts.filter((part) => part.fault === 'DAMAGED' && !missing.includes(part));
  if (missing.length > 0 || damaged.length > 0) {
    return [
      ...(missing.length > 0 ? [new IncompleteBackupError(name, namesOf(missing))] : []),
      ...(damaged.length > 0 ? [damagedError(name, namesOf(damaged))] : []),
    ];
  }
  if (parts.length !== instanceCount) {
    return [
      new BackupNotRestorableError(
        name,
        `it has ${counted(parts.length, 'part')} of ${counted(instanceCount, 'instance')}`,
      ),
    ];
  }
  return [];
}

const namesOf = (parts: BackupFacts['parts']): string[] => parts.map(({ instanceName }) => instanceName);

const damagedError = (backup: string, damaged: readonly string[]): BackupNotRestorableError =>
  new BackupNotRestorableError(
    backup,
    `the parts of ${damaged.join(', ')} are damaged`,
    `${lookAgain} ${restoreAnother}`,
  );

const lookAgain = 'Where they have been put right, verifyBackup finds that out.';

function engineMissing({ engine, engineVersion }: BackupFacts, versions: readonly Version[] | null): DomainError[] {
  const found = versions?.find(({ version }) => version === engineVersion);
  if (found?.available) return [];
  const reason = found?.unavailableReason ?? 'this release does not know it.';
  return [new EngineUnavailableError(engine, engineVersion, reason)];
}

/** What is asked of a restore; null: as in the backup. */
export type RestoreRequest = { instanceCount: number | null; engineVersion: string | null; size: InstanceSize | null };

const gibibyte = 2 ** 30;

/** The reasons that lie in what is asked for. */
export function restoreRequestBlockers(backup: BackupFacts, request: RestoreRequest): DomainError[] {
  const { name, instanceCount, engineVersion } = backup;
  const count = request.instanceCount ?? instanceCount;
  const version = request.engineVersion ?? engineVersion;
  const needed = Math.max(...backup.parts.map(({ dataBytes }) => dataBytes ?? 0), 0);
  return [
    ...(count === instanceCount ? [] : [new RestoreSizeMismatchError(name, instanceCount, count)]),
    ...(version === engineVersion
      ? []
      : [
          new BackupNotRestorableError(
            name,
            `it is of version ${engineVersion}, and version ${version} cannot read it`,
          ),
        ]),
    ...(request.size === null || request.size.storageGiB * gibibyte > needed
      ? []
      : [new InvalidInputError([{ path: 'size.storageGiB', message: `must hold ${needed} bytes of data` }])]),
  ];
}
