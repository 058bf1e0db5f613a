import type { BackupPolicy } from '#domain/backupPolicy.ts';
import { DomainError } from '#domain/errors.ts';
import { expiredBackups } from '#domain/expiredBackups.ts';
import { Prisma } from '#generated/prisma/client.ts';
import { accept } from '#operations/accept.ts';
import { operationThatUses } from '#operations/backupFacts.ts';
import { deleteBackup } from '#operations/deleteBackup.ts';
import { verifyBackup } from '#operations/verifyBackup.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';

type Policed = { id: string; projectId: string; policy: BackupPolicy };

const unattended = { idempotencyKey: null, expectedVersion: null };

/** Sees to it that what the clusters' backup policies want comes about: schedules, retention, verification. */
export function backupPolicies(deps: MonitorDeps): Monitor {
  return {
    name: 'backup policies',
    everyMs: 5000,
    async round() {
      const clusters = await clustersWithPolicy(deps);
      const wanted = clusters.map(({ id: clusterId, policy: { schedule } }) => ({ clusterId, schedule }));
      await deps.jobs.ensureBackupSchedules(wanted);
      for (const cluster of clusters) {
        await removeExpired(deps, cluster);
        if (cluster.policy.verify) await verifyNewest(deps, cluster);
      }
    },
  };
}

async function clustersWithPolicy({ db }: MonitorDeps): Promise<Policed[]> {
  const rows = await db.cluster.findMany({
    where: { lifecycle: 'LIVE', backupPolicy: { not: Prisma.DbNull } },
    select: { id: true, projectId: true, backupPolicy: true },
  });
  return rows.map(({ backupPolicy, ...cluster }) => ({ ...cluster, policy: backupPolicy as BackupPolicy }));
}

/** One a round: each is an operation, and holds the cluster. */
async function removeExpired(deps: MonitorDeps, { id: clusterId, projectId, policy }: Policed): Promise<void> {
  if (policy.keepCount === null && policy.keepDays === null) return;
  const rows = await deps.db.backup.findMany({ where: { clusterId, status: 'COMPLETED' } });
  // What is in use is refused by deleteBackup itself; here it would only keep the next one from its turn.
  const backups = await Promise.all(
    rows.map(async (row) => ({ ...row, inUse: (await operationThatUses(deps.db, row.id)) !== null })),
  );
  const [expired] = expiredBackups(backups, policy, deps.clock.now());
  if (expired === undefined) return;
  const actor = { kind: 'SYSTEM' as const, projectId, name: 'backup retention' };
  await unlessRefused(accept(deps, actor, deleteBackup, { clusterId, backupId: expired }, unattended));
}

/** Each scheduled backup is tried once; what a failure says is in its operation. */
async function verifyNewest(deps: MonitorDeps, { id: clusterId, projectId }: Policed): Promise<void> {
  const newest = await deps.db.backup.findFirst({
    where: { clusterId, scheduled: true, status: 'COMPLETED' },
    orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
    select: { id: true, verifyBegunAt: true },
  });
  if (newest === null || newest.verifyBegunAt !== null) return;
  const actor = { kind: 'SYSTEM' as const, projectId, name: 'backup verification' };
  await unlessRefused(accept(deps, actor, verifyBackup, { backupId: newest.id }, unattended));
}

/** A cluster that is busy, or a backup in use, gets its turn in a later round. */
async function unlessRefused(accepting: Promise<unknown>): Promise<void> {
  try {
    await accepting;
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
  }
}
