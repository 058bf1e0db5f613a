import type { BackupFacts } from '#domain/backupFacts.ts';
import { NotFoundError } from '#domain/errors.ts';
import type { InstanceBackup, Prisma } from '#generated/prisma/client.ts';
import type { ReadDatabase, Transaction } from '#store/database.ts';

const withParts = { parts: { orderBy: { instanceName: 'asc' } } } as const satisfies Prisma.BackupInclude;

/** A backup as rules see it. Null: there is none such. */
export async function loadBackupFacts(
  db: Pick<ReadDatabase, 'backup'>,
  where: Prisma.BackupWhereInput,
): Promise<BackupFacts | null> {
  const row = await db.backup.findFirst({ where, include: withParts });
  if (!row) return null;
  const { cpuMillis, memoryMiB, storageGiB, parts, ...backup } = row;
  return { ...backup, size: { cpuMillis, memoryMiB, storageGiB }, parts: parts.map(toPartFacts) };
}

function toPartFacts({ bytes, dataBytes, ...part }: InstanceBackup): BackupFacts['parts'][number] {
  return {
    ...part,
    bytes: bytes === null ? null : Number(bytes),
    dataBytes: dataBytes === null ? null : Number(dataBytes),
  };
}

/**
 * Holds the backup's row until the transaction ends, so that it is not removed and restored at once. After its cluster's row, where
 * both are held. Throws NotFoundError where the project has none such, or it is gone.
 */
export async function lockBackup(tx: Transaction, id: string, projectId: string): Promise<BackupFacts> {
  await tx.$queryRaw`SELECT 1 FROM backup WHERE id = ${id}::uuid AND project_id = ${projectId}::uuid FOR NO KEY UPDATE`;
  const backup = await loadBackupFacts(tx, { id, projectId, deletedAt: null });
  if (!backup) throw new NotFoundError('The backup');
  return backup;
}

/** The operation that restores or verifies the backup now. Null: none does. */
export async function operationThatUses(
  db: Pick<ReadDatabase, 'operation'>,
  backupId: string,
): Promise<{ id: string; kind: string } | null> {
  return await db.operation.findFirst({
    where: {
      finishedAt: null,
      kind: { in: ['RESTORE_CLUSTER', 'VERIFY_BACKUP'] },
      cluster: { restoredFromId: backupId },
    },
    select: { id: true, kind: true },
  });
}
