import { dayMs } from '#lib/time/durations.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';

/** How long events are kept, in days. */
export type EventRetention = { days: number; daysByProject: Readonly<Record<string, number>> };

type RetentionDeps = Pick<MonitorDeps, 'db' | 'clock' | 'logger'> & { retention: EventRetention };

/** Small, so that no statement holds its rows for long. Writers only add: they wait for none of it. */
const batch = 1000;
/** Less than a lease: one process at a time. The rest is done in the next round. */
const longestRoundMs = 3000;

/**
 * Removes what has been in a project's log for longer than it is kept. Always the oldest ones, so that what is left has no hole: an
 * event that is young by its time stays, and with it all that were committed after it, whatever their clocks said.
 */
export function eventRetention(deps: RetentionDeps): Monitor {
  const { db, clock, logger } = deps;
  return {
    name: 'event retention',
    everyMs: 10_000,
    async round() {
      const endsAt = performance.now() + longestRoundMs;
      for (const { id, name } of await db.project.findMany({ select: { id: true, name: true } })) {
        const before = new Date(clock.now().getTime() - daysOf(deps.retention, name) * dayMs);
        let removed = 0;
        for (let last = batch; last === batch && performance.now() < endsAt; removed += last) {
          last = await removeOldest(db, { projectId: id, before });
        }
        if (removed > 0) logger.info({ project: name, removed, before }, 'old events were removed from the log');
      }
    },
  };
}

const daysOf = ({ days, daysByProject }: EventRetention, project: string): number =>
  Object.hasOwn(daysByProject, project) ? (daysByProject[project] ?? days) : days;

function removeOldest(
  db: RetentionDeps['db'],
  { projectId, before }: { projectId: string; before: Date },
): Promise<number> {
  return db.$executeRaw`
    WITH oldest AS (
      SELECT seq, at FROM event WHERE project_id = ${projectId}::uuid ORDER BY seq LIMIT ${batch}
    )
    DELETE FROM event USING oldest
    WHERE event.project_id = ${projectId}::uuid AND event.seq = oldest.seq
      AND oldest.seq < coalesce((SELECT min(seq) FROM oldest WHERE at >= ${before}), 9223372036854775807)`;
}
