import type { BackupFacts } from '#domain/backupFacts.ts';
import type { DomainError } from '#domain/errors.ts';
import { restoreBlockers } from '#domain/restoreBlockers.ts';
import { loadBackupFacts } from './backupFacts.ts';
import type { OperationDeps } from './deps.ts';

/** What a restore would work with, and what stands in its way. Null: the project has no such backup. */
export async function previewRestore(
  { db, engines }: Pick<OperationDeps, 'db' | 'engines'>,
  where: { id: string; projectId: string },
): Promise<{ backup: BackupFacts; blockers: DomainError[] } | null> {
  const backup = await loadBackupFacts(db, where);
  return backup && { backup, blockers: restoreBlockers(backup, engines[backup.engine]?.versions() ?? null) };
}
