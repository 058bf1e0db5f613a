import { filelessStatuses } from '#domain/backupStatus.ts';
import { type QuotaLimits, type QuotaResource, type QuotaUse, quotaResources } from '#domain/quota.ts';
import type { Prisma } from '#generated/prisma/client.ts';
import type { ReadDatabase, Transaction } from '#store/database.ts';
import type { OperationDeps } from './deps.ts';

type Use = Pick<QuotaUse, 'used' | 'reserved'>;

/**
 * How a project stands with each resource. Counted from what there is, so that it cannot drift: an instance counts from the
 * acceptance of the operation that makes it until it is removed, whatever became of that operation.
 * @param without a cluster that is not counted
 */
export async function projectQuota(
  { quotaDefaults }: Pick<OperationDeps, 'quotaDefaults'>,
  db: Pick<ReadDatabase, 'project' | 'instance' | 'backup'>,
  projectId: string,
  { without = null }: { without?: string | null } = {},
): Promise<QuotaUse[]> {
  const limits = await limitsOf(db, projectId, quotaDefaults);
  const use = await useOf(db, projectId, without);
  return quotaResources.map((resource) => ({ resource, ...use[resource], limit: limits[resource] }));
}

/**
 * Holds the project's quota until the transaction ends: of several requests for the last place each counts what the ones before it
 * took. Taken after the cluster and before everything else; the project's own row would stop every event of the project meanwhile.
 */
export async function lockQuota(tx: Transaction, projectId: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('quota of ' || ${projectId}, 0))`;
}

/** It had no files before either. */
const failedAndBeingDeleted = {
  status: 'DELETING',
  parts: { some: { status: 'FAILED' } },
} as const satisfies Prisma.BackupWhereInput;

async function limitsOf(
  db: Pick<ReadDatabase, 'project'>,
  projectId: string,
  defaults: QuotaLimits,
): Promise<QuotaLimits> {
  const own = await db.project.findUniqueOrThrow({
    where: { id: projectId },
    select: { quotaInstances: true, quotaStorageGiB: true, quotaBackups: true },
  });
  return {
    INSTANCES: own.quotaInstances ?? defaults.INSTANCES,
    STORAGE_GIB: own.quotaStorageGiB ?? defaults.STORAGE_GIB,
    BACKUPS: own.quotaBackups ?? defaults.BACKUPS,
  };
}

async function useOf(
  db: Pick<ReadDatabase, 'instance' | 'backup'>,
  projectId: string,
  without: string | null,
): Promise<Record<QuotaResource, Use>> {
  const present = { projectId, removedAt: null, ...(without === null ? {} : { clusterId: { not: without } }) };
  const sums = { _count: { _all: true }, _sum: { storageGiB: true } } as const;
  const all = await db.instance.aggregate({ where: present, ...sums });
  // An instance has its address from the moment that it has a place on a machine.
  const placeless = await db.instance.aggregate({ where: { ...present, address: null }, ...sums });
  const backups = await db.backup.count({
    where: { projectId, status: { notIn: [...filelessStatuses] }, NOT: failedAndBeingDeleted },
  });
  const unfinished = await db.backup.count({ where: { projectId, status: { in: ['PENDING', 'RUNNING'] } } });
  return {
    INSTANCES: { used: all._count._all, reserved: placeless._count._all },
    STORAGE_GIB: { used: all._sum.storageGiB ?? 0, reserved: placeless._sum.storageGiB ?? 0 },
    BACKUPS: { used: backups, reserved: unfinished },
  };
}
