import { ClusterBusyError, ClusterStatusError, DomainError } from '#domain/errors.ts';
import { transact } from '#events/transact.ts';
import type { Attempt } from '#jobs/jobs.ts';
import { accept } from './accept.ts';
import { backupCluster } from './backupCluster.ts';
import type { OperationDeps } from './deps.ts';

/**
 * Asks for the backup that a cluster's policy wants now, as a person would. Throws where it is worth another attempt; after the last
 * one an event says that it was missed.
 */
export async function takeScheduledBackup(
  deps: OperationDeps,
  clusterId: string,
  { jobId, last }: Attempt,
): Promise<void> {
  const cluster = await deps.db.cluster.findUnique({ where: { id: clusterId } });
  if (cluster === null || cluster.lifecycle !== 'LIVE' || cluster.backupPolicy === null) return;
  const actor = { kind: 'SYSTEM' as const, projectId: cluster.projectId, name: 'backup schedule' };
  try {
    const options = { idempotencyKey: `backup-schedule:${jobId}`, expectedVersion: null };
    await accept(deps, actor, backupCluster, { clusterId }, options);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    const mayPass = error instanceof ClusterBusyError || error instanceof ClusterStatusError;
    if (mayPass && !last) throw error;
    await transact(deps, actor, async ({ record }) => {
      const payload = { cluster: cluster.name, reason: error.message };
      record({ type: 'BACKUP_MISSED', clusterId, payload });
    });
  }
}
