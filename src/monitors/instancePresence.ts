import type { Instance } from '#generated/prisma/client.ts';
import { minuteMs } from '#lib/time/durations.ts';
import { growingPauseMs } from '#lib/time/growingPause.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';

/** An agent that has missed a report is looked for, in milliseconds since the last one. */
const missedReportMs = 3000;
const firstReportMs = 15_000;
const pauses = { firstMs: 1000, longestMs: minuteMs };

/**
 * Brings back agents that are not running: after a crash of theirs, and all of them after a reboot of their host. What an
 * operation is making or removing is left to it.
 */
export function instancePresence(deps: MonitorDeps): Monitor {
  const attempts = new Map<string, { count: number; notBefore: number }>();
  return {
    name: 'instance presence',
    everyMs: 1000,
    async round() {
      const now = deps.clock.now().getTime();
      const missing = await deps.db.instance.findMany({
        where: {
          removedAt: null,
          cluster: { lifecycle: { notIn: ['DELETING', 'DELETED'] } },
          agentTokenHash: { not: null },
          activity: { notIn: ['PENDING', 'DRAINING', 'REMOVING', 'REMOVED'] },
          AND: [
            // What an operation left half-made is for the next one; a member of a cluster that lives is not.
            { OR: [{ activity: { not: 'FAILED' } }, { role: { not: null }, cluster: { lifecycle: 'LIVE' } }] },
            {
              OR: [
                { observedAt: { lt: new Date(now - missedReportMs) } },
                // Its connection broke: one that runs comes back by itself.
                { agentLostAt: { not: null } },
                // A new instance's agent has yet to report for the first time.
                { observedAt: null, statusChangedAt: { lt: new Date(now - firstReportMs) } },
              ],
            },
          ],
        },
      });
      const missingIds = new Set(missing.map(({ id }) => id));
      for (const id of attempts.keys()) if (!missingIds.has(id)) attempts.delete(id);
      const due = missing.filter(({ id }) => (attempts.get(id)?.notBefore ?? 0) <= now);
      await Promise.all(
        due.map(async (instance) => {
          if (await bringBack(deps, instance))
            attempts.set(instance.id, nextAttempt(attempts.get(instance.id)?.count ?? 0, now));
        }),
      );
    },
  };
}

const nextAttempt = (count: number, now: number) => ({
  count: count + 1,
  notBefore: now + growingPauseMs(count + 1, pauses),
});

/** True if the agent had to be started (or could not be). */
async function bringBack(
  { providers, logger }: MonitorDeps,
  { id, clusterId, name, provider }: Instance,
): Promise<boolean> {
  const source = providers[provider];
  if (!source) return false;
  const instance = { clusterId, instanceId: id };
  try {
    if ((await source.inspect(instance)) !== 'stopped') return false;
    logger.info({ instance: name }, 'the agent is not running and is started');
    await source.startInstance(instance);
  } catch (error) {
    logger.warn({ err: error, instance: name }, 'the agent could not be started');
  }
  return true;
}
