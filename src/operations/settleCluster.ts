import { transact } from '#events/transact.ts';
import type { OperationDeps } from './deps.ts';
import { settleStatuses } from './settleStatuses.ts';

/** Settles a cluster's statuses in a transaction of its own, in Grove's name: for what agents and the clock bring about. */
export async function settleCluster(
  deps: Pick<OperationDeps, 'db' | 'bus' | 'clock' | 'engines' | 'silence'>,
  clusterId: string,
): Promise<void> {
  const cluster = await deps.db.cluster.findUnique({ where: { id: clusterId }, select: { projectId: true } });
  if (!cluster) return;
  const actor = { kind: 'SYSTEM' as const, projectId: cluster.projectId, name: 'observation' };
  await transact(deps, actor, (change) => settleStatuses(deps, change, clusterId));
}
