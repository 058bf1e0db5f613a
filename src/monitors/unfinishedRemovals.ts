import { DomainError } from '#domain/errors.ts';
import type { Backup } from '#generated/prisma/client.ts';
import { hourMs, minuteMs } from '#lib/time/durations.ts';
import { growingPauseMs } from '#lib/time/growingPause.ts';
import { accept } from '#operations/accept.ts';
import { deleteBackup, deletionsOf } from '#operations/deleteBackup.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';

const pauses = { firstMs: minuteMs, longestMs: 6 * hourMs };

/** Asks anew for the removal of backups whose files a failed one left, after a pause that grows: nothing else can be done with them. */
export function unfinishedRemovals(deps: MonitorDeps): Monitor {
  return {
    name: 'unfinished removals',
    everyMs: minuteMs / 2,
    async round() {
      for (const backup of await deps.db.backup.findMany({ where: { status: 'DELETING' } })) {
        if (await isDue(deps, backup)) await askAnew(deps, backup);
      }
    },
  };
}

/** Where none has failed one is under way; its operation was asked for with it. */
async function isDue({ db, clock }: MonitorDeps, { id, clusterId }: Backup): Promise<boolean> {
  const deletions = await db.operation.findMany({
    where: deletionsOf({ clusterId, backupId: id }),
    select: { finishedAt: true },
  });
  const ends = deletions.map(({ finishedAt }) => finishedAt?.getTime() ?? Number.POSITIVE_INFINITY);
  const dueAt = Math.max(...ends) + growingPauseMs(ends.length, pauses);
  return clock.now().getTime() >= dueAt;
}

/** A cluster that is busy gets its turn in a later round. */
async function askAnew(deps: MonitorDeps, { id: backupId, clusterId, projectId, name }: Backup): Promise<void> {
  const actor = { kind: 'SYSTEM' as const, projectId, name: 'backup removal' };
  try {
    await accept(deps, actor, deleteBackup, { clusterId, backupId }, { idempotencyKey: null, expectedVersion: null });
    deps.logger.info({ backup: name }, 'a backup whose removal had failed is removed again');
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
  }
}
