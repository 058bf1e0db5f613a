import { assertTransition } from '#domain/assertTransition.ts';
import {
  type BackupRemoval,
  backupTransitions,
  deriveBackupStatus,
  isBeingTaken,
  isRemoved,
  removalOf,
} from '#domain/backupStatus.ts';
import type { Change } from '#events/transact.ts';

type Settlement = {
  now: Date;
  operationId: string | null;
  /** Why the status is what it is, in words. */
  reason?: string | null;
  /** Its files are going, or gone, or stay after all. Left out: as it was. */
  removal?: BackupRemoval;
};

/**
 * Brings a backup's stored status in line with its parts and records the difference as an event. The only writer of this status. In the
 * transaction that changed the parts.
 */
export async function settleBackup(
  { tx, record }: Change,
  backupId: string,
  { now, operationId, reason = null, removal }: Settlement,
): Promise<void> {
  const backup = await tx.backup.findUniqueOrThrow({
    where: { id: backupId },
    include: { parts: { select: { status: true } } },
  });
  const status = deriveBackupStatus({
    removal: removal ?? removalOf(backup.status),
    parts: backup.parts.map((part) => part.status),
  });
  if (status === backup.status) return;
  assertTransition(backupTransitions, backup.status, status, `backup ${backup.name}`);
  await tx.backup.update({
    where: { id: backupId },
    data: {
      status,
      statusReason: reason,
      statusChangedAt: now,
      ...(backup.startedAt === null && isBeingTaken(status) ? { startedAt: now } : {}),
      ...(backup.finishedAt !== null || isBeingTaken(status) || isRemoved(status) ? {} : { finishedAt: now }),
      ...(removal === 'DONE' ? { deletedAt: now } : {}),
    },
  });
  record({
    type: 'BACKUP_STATUS_CHANGED',
    clusterId: backup.clusterId,
    operationId,
    fromStatus: backup.status,
    toStatus: status,
    payload: { cluster: backup.clusterName, backup: backup.name, backupId, reason },
  });
}
