import type { BackupPolicy } from '#domain/backupPolicy.ts';
import { DomainError } from '#domain/errors.ts';
import { expiredBackups } from '#domain/expiredBackups.ts';
import { Prisma } from '#generated/prisma/client.ts';
import { hourMs, minuteMs } from '#lib/time/durations.ts';
import { growingPauseMs } from '#lib/time/growingPause.ts';
import { accept } from '#operations/accept.ts';
import { operationThatUses } from '#operations/backupFacts.ts';
import { deleteBackup } from '#operations/deleteBackup.ts';
import { verifyBackup } from '#operations/verifyBackup.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';

type Policed = { id: string; projectId: string; policy: BackupPolicy };

const unattended = { idempotencyKey: null, expectedVersion: null };

/** Sees to it that what the clusters' backup policies want comes about: schedules, retention, verification. */
export function backupPolicies(deps: MonitorDeps): Monitor {
  const refusals: Refusals = new Map();
  return {
    name: 'backup policies',
    everyMs: 5000,
    async round() {
      const clusters = await clustersWithPolicy(deps);
      const wanted = clusters.map(({ id: clusterId, policy: { schedule } }) => ({ clusterId, schedule }));
      await deps.jobs.ensureBackupSchedules(wanted);
      for (const cluster of clusters) {
        await removeExpired(deps, cluster);
        if (cluster.policy.verify) await verifyNewest(deps, cluster, refusals);
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
  // A cluster that is busy gets its turn in a later round.
  await refusalOf(accept(deps, actor, deleteBackup, { clusterId, backupId: expired }, unattended));
}

/** Verifications that were refused, by cluster: which backup's, how often, and when it is asked for again. */
type Refusals = Map<string, { backupId: string; message: string; count: number; notBefore: number }>;

const pauses = { firstMs: minuteMs, longestMs: hourMs };

/** Each scheduled backup is tried once; what a failure says is in its operation. What is refused is asked for again after a pause that grows. */
async function verifyNewest(
  deps: MonitorDeps,
  { id: clusterId, projectId }: Policed,
  refusals: Refusals,
): Promise<void> {
  const newest = await deps.db.backup.findFirst({
    where: { clusterId, scheduled: true, status: 'COMPLETED' },
    orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
    select: { id: true, name: true, verifyBegunAt: true },
  });
  if (newest === null || newest.verifyBegunAt !== null) return;
  const now = deps.clock.now().getTime();
  const last = refusals.get(clusterId);
  const earlier = last?.backupId === newest.id ? last : null;
  if (earlier !== null && now < earlier.notBefore) return;
  const actor = { kind: 'SYSTEM' as const, projectId, name: 'backup verification' };
  const refusal = await refusalOf(accept(deps, actor, verifyBackup, { backupId: newest.id }, unattended));
  if (refusal === null) {
    refusals.delete(clusterId);
    return;
  }
  const { message } = refusal;
  if (message !== earlier?.message)
    deps.logger.warn({ clusterId, backup: newest.name, reason: message }, 'a backup cannot be verified now');
  const count = (earlier?.count ?? 0) + 1;
  refusals.set(clusterId, { backupId: newest.id, message, count, notBefore: now + growingPauseMs(count, pauses) });
}

/** Why it is refused. Null: it is accepted. */
async function refusalOf(accepting: Promise<unknown>): Promise<DomainError | null> {
  try {
    await accepting;
    return null;
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
}
