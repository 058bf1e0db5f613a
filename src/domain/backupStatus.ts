import type { BackupStatus, InstanceBackupStatus } from '#generated/prisma/enums.ts';

/** Where the removal of a backup stands. */
export type BackupRemoval = 'NONE' | 'BEGUN' | 'DONE';

type BackupView = {
  removal: BackupRemoval;
  parts: readonly InstanceBackupStatus[];
};

/** The status of a backup, from those of its parts. Total. One without any part has nothing to restore. */
export function deriveBackupStatus({ removal, parts }: BackupView): BackupStatus {
  if (removal === 'DONE') return 'DELETED';
  if (removal === 'BEGUN') return 'DELETING';
  if (parts.length === 0 || parts.includes('FAILED')) return 'FAILED';
  if (parts.every((part) => part === 'COMPLETED')) return 'COMPLETED';
  return parts.every((part) => part === 'PENDING') ? 'PENDING' : 'RUNNING';
}

/** Which status may follow which. Total. What was completed or failed is left only to be removed, and is that again where no file was. */
export const backupTransitions = {
  PENDING: ['RUNNING', 'COMPLETED', 'FAILED'],
  RUNNING: ['COMPLETED', 'FAILED'],
  COMPLETED: ['DELETING'],
  FAILED: ['DELETING'],
  DELETING: ['DELETED', 'COMPLETED', 'FAILED'],
  DELETED: [],
} as const satisfies Record<BackupStatus, readonly BackupStatus[]>;

/** Where its removal stands, as its status tells. */
export function removalOf(status: BackupStatus): BackupRemoval {
  if (status === 'DELETED') return 'DONE';
  return status === 'DELETING' ? 'BEGUN' : 'NONE';
}

/** True if it holds the data of its whole cluster. */
export const isCompleted = (status: BackupStatus): boolean => status === 'COMPLETED';

/** True if it is still to become something. */
export const isBeingTaken = (status: BackupStatus): boolean => status === 'PENDING' || status === 'RUNNING';

/** The statuses of a backup that has no files. */
export const filelessStatuses = ['FAILED', 'DELETED'] as const satisfies readonly BackupStatus[];

/** True if it has files, or is to get some. */
export const hasFiles = (status: BackupStatus): boolean => !filelessStatuses.some((fileless) => fileless === status);

/** True if its files are gone, or going. */
export const isRemoved = (status: BackupStatus): boolean => status === 'DELETING' || status === 'DELETED';
