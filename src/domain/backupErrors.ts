import { counted } from '#lib/values/counted.ts';
import { DomainError } from './errors.ts';

/** The way out where a backup has lost something. */
export const restoreAnother = 'Restore another backup of the cluster, or take a new one.';

export class BackupNameTakenError extends DomainError {
  readonly code = 'BACKUP_NAME_TAKEN';
  readonly takenName: string;
  constructor(takenName: string, cluster: string) {
    super(`The name "${takenName}" is taken by another backup of cluster "${cluster}".`);
    this.takenName = takenName;
  }
}

/** The backup is being taken, restored or verified: its files have to stay. */
export class BackupInUseError extends DomainError {
  readonly code = 'BACKUP_IN_USE';
  /** The operation that uses it. */
  readonly operationId: string;
  constructor(backup: string, operation: { id: string; kind: string }) {
    super(`Backup "${backup}" is in use by operation ${operation.kind}. Wait for it to end, or cancel it.`);
    this.operationId = operation.id;
  }
}

export class BackupNotRestorableError extends DomainError {
  readonly code = 'BACKUP_NOT_RESTORABLE';
  readonly reason: string;
  constructor(backup: string, reason: string, wayOut = '') {
    super(`Backup "${backup}" cannot be restored: ${reason}.${wayOut === '' ? '' : ` ${wayOut}`}`);
    this.reason = reason;
  }
}

export class IncompleteBackupError extends DomainError {
  readonly code = 'INCOMPLETE_BACKUP';
  /** Names of the instances whose parts are missing. */
  readonly missing: readonly string[];
  constructor(backup: string, missing: readonly string[]) {
    super(`Backup "${backup}" cannot be restored: the parts of ${missing.join(', ')} are missing. ${restoreAnother}`);
    this.missing = missing;
  }
}

export class RestoreSizeMismatchError extends DomainError {
  readonly code = 'RESTORE_SIZE_MISMATCH';
  /** Instances in the backup. */
  readonly backupSize: number;
  /** Instances that were asked for. */
  readonly requestedSize: number;
  constructor(backup: string, backupSize: number, requestedSize: number) {
    super(
      `Backup "${backup}" is of ${counted(backupSize, 'instance')}, and a restore makes just as many, not ${requestedSize}.`,
    );
    this.backupSize = backupSize;
    this.requestedSize = requestedSize;
  }
}
