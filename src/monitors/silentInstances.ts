import { settleCluster } from '#operations/settleCluster.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';

/**
 * Sees to it that an instance whose agent is silent for longer than its lease becomes UNREACHABLE, and that no cluster stays HEALTHY
 * whose primary's agent has lost its connection.
 */
export function silentInstances(deps: MonitorDeps): Monitor {
  return {
    name: 'silent instances',
    everyMs: 1000,
    async round() {
      const { now, leaseMs } = deps.silence();
      const lastHeard = new Date(now.getTime() - leaseMs);
      const silent = await deps.db.instance.findMany({
        where: {
          removedAt: null,
          activity: 'NONE',
          status: { not: 'UNREACHABLE' },
          OR: [
            { observedAt: { lt: lastHeard } },
            { observedAt: null },
            { agentLostAt: { not: null }, role: 'PRIMARY', cluster: { lifecycle: 'LIVE', healthLevel: 'HEALTHY' } },
          ],
        },
        select: { clusterId: true },
        distinct: ['clusterId'],
      });
      for (const { clusterId } of silent) await settleCluster(deps, clusterId);
    },
  };
}
