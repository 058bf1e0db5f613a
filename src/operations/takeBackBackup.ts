import { isBeingTaken } from '#domain/backupStatus.ts';
import type { Ending } from './ending.ts';
import type { CleanUpContext } from './operation.ts';
import { settleBackup } from './settleBackup.ts';

/** A backup that is not completed keeps no files, and its record says what failed. The instances are as they were. */
export async function takeBackBackup(
  { cluster, backups: { store }, operationId, clock, change, setActivity, signal }: CleanUpContext,
  { error, stepKey }: Ending,
): Promise<null> {
  const backup = await change(({ tx }) =>
    tx.backup.findUniqueOrThrow({ where: { operationId }, include: { parts: true } }),
  );
  const copied = cluster.instances.filter(({ activity }) => activity === 'BACKING_UP');
  await setActivity(copied, 'NONE');
  if (!isBeingTaken(backup.status)) return null;
  const left = await store.removeAll(`${backup.clusterId}/${backup.id}`, { signal }).then(
    () => '',
    (fault: unknown) => ` Its files could not be removed (${wordsOf(fault)}); deleteBackup removes them.`,
  );
  await change(async (inside) => {
    const now = clock.now();
    for (const { id, instanceId } of backup.parts) {
      const own = stepKey?.endsWith(`:${instanceId}`) ? error.message : 'The backup failed as a whole.';
      const gone = left === '' ? { location: null, bytes: null, dataBytes: null, sha256: null } : {};
      await inside.tx.instanceBackup.update({
        where: { id },
        data: { status: 'FAILED', finishedAt: now, error: own, ...gone },
      });
    }
    await settleBackup(inside, backup.id, { now, operationId, reason: `${error.message}${left}` });
  });
  return null;
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
