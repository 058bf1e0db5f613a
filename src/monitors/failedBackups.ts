import { dayMs, minuteMs } from '#lib/time/durations.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';

/** An agent that cannot be told that nobody waits for its copy any more may finish its file up to so much later, in milliseconds. */
const lookedAfterMs = dayMs;

/** Removes what agents store of backups that have failed meanwhile, also of those whose files were removed since then. */
export function failedBackups({ db, clock, backups: { store }, logger }: MonitorDeps): Monitor {
  return {
    name: 'failed backups',
    everyMs: minuteMs,
    async round() {
      const since = new Date(clock.now().getTime() - lookedAfterMs);
      const failed = await db.backup.findMany({
        where: { status: { in: ['FAILED', 'DELETED'] }, finishedAt: { gt: since } },
        select: { id: true, clusterId: true, name: true },
      });
      for (const { id, clusterId, name } of failed) {
        const folder = `${clusterId}/${id}`;
        if ((await store.list(folder)).length === 0) continue;
        logger.info({ backup: name }, 'a failed backup had left files, which are removed');
        await store.removeAll(folder);
      }
    },
  };
}
