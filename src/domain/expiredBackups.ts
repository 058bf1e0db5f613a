import type { BackupStatus } from '#generated/prisma/enums.ts';
import { dayMs } from '#lib/time/durations.ts';
import type { BackupPolicy } from './backupPolicy.ts';
import { isCompleted } from './backupStatus.ts';

export type KeptBackup = {
  id: string;
  status: BackupStatus;
  scheduled: boolean;
  createdAt: Date;
  /** Whether it is being restored or verified. */
  inUse: boolean;
};

/**
 * Which backups of one cluster its policy no longer keeps, oldest first. Only what the policy asked for and what is completed;
 * never the cluster's newest completed one, and never one that is in use.
 */
export function expiredBackups(
  backups: readonly KeptBackup[],
  { keepCount, keepDays }: Pick<BackupPolicy, 'keepCount' | 'keepDays'>,
  now: Date,
): string[] {
  const completed = backups
    .filter(({ status }) => isCompleted(status))
    .sort((one, other) => other.createdAt.getTime() - one.createdAt.getTime() || (one.id < other.id ? 1 : -1));
  const [newest] = completed;
  return completed
    .filter(({ scheduled }) => scheduled)
    .filter(({ createdAt }, place) => {
      const tooMany = keepCount !== null && place >= keepCount;
      const tooOld = keepDays !== null && now.getTime() - createdAt.getTime() > keepDays * dayMs;
      return tooMany || tooOld;
    })
    .filter((backup) => backup !== newest && !backup.inUse)
    .map(({ id }) => id)
    .reverse();
}
