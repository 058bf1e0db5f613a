import { definitionOf } from '#operations/definitions.ts';
import { isUrgent } from '#operations/operation.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';

/** How long a job may take to appear or come back by itself before its operation counts as forgotten. */
const forgottenAfterMs = 15_000;

/** Sees to it that every operation ends: one that no job runs or will run gets a new one. Its deadline, or the limits of its waits, do the rest. */
export function lateOperations({ db, jobs, clock, logger }: MonitorDeps): Monitor {
  return {
    name: 'late operations',
    everyMs: 5000,
    async round() {
      const before = new Date(clock.now().getTime() - forgottenAfterMs);
      const unfinished = await db.operation.findMany({
        where: { finishedAt: null, createdAt: { lt: before } },
        select: { id: true, kind: true, deadlineAt: true },
      });
      for (const { id, kind, deadlineAt } of unfinished) {
        if (await jobs.knows(id)) continue;
        logger.warn({ operationId: id, kind }, 'an operation had no job and gets a new one');
        const urgent = isUrgent(definitionOf(kind));
        await db.$transaction((tx) => jobs.sendOperation(tx, { operationId: id, deadlineAt, urgent }));
      }
    },
  };
}
