import type { BackupFacts } from '#domain/backupFacts.ts';
import type { DomainError } from '#domain/errors.ts';
import { instancesDemand, quotaBlockers, quotaChanges } from '#domain/quota.ts';
import { restoreBlockers } from '#domain/restoreBlockers.ts';
import { loadBackupFacts } from './backupFacts.ts';
import type { OperationDeps } from './deps.ts';
import { partsNow } from './partFaults.ts';
import { projectQuota } from './projectQuota.ts';

/** What a restore would work with, and what stands in its way. Null: the project has no such backup. */
export async function previewRestore(
  deps: Pick<OperationDeps, 'db' | 'engines' | 'backups' | 'quotaDefaults'>,
  where: { id: string; projectId: string },
): Promise<{ backup: BackupFacts; blockers: DomainError[] } | null> {
  const known = await loadBackupFacts(deps.db, where);
  if (!known) return null;
  const backup = { ...known, parts: await partsNow(deps, known) };
  const demand = instancesDemand(Array.from({ length: backup.instanceCount }, () => backup));
  const quota = quotaChanges(await projectQuota(deps, deps.db, where.projectId), demand);
  const versions = deps.engines[backup.engine]?.versions() ?? null;
  return { backup, blockers: [...restoreBlockers(backup, versions), ...quotaBlockers(quota)] };
}
