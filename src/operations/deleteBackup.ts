import { z } from 'zod';
import { BackupInUseError } from '#domain/backupErrors.ts';
import { hasFiles, isBeingTaken, isCompleted, isRemoved } from '#domain/backupStatus.ts';
import { isDeleted } from '#domain/clusterStatus.ts';
import { NotFoundError } from '#domain/errors.ts';
import type { QuotaDemand } from '#domain/quota.ts';
import type { Warning } from '#domain/warning.ts';
import type { Change } from '#events/transact.ts';
import type { OperationWhereInput } from '#generated/prisma/models.ts';
import { minuteMs } from '#lib/time/durations.ts';
import type { Transaction } from '#store/database.ts';
import { loadBackupFacts, lockBackup, operationThatUses } from './backupFacts.ts';
import { clusterIsFree } from './blockers.ts';
import { asStep } from './checkStoredPart.ts';
import { backupIdSchema, clusterIdSchema } from './inputs.ts';
import { type CleanUpContext, defineOperation, type Facts } from './operation.ts';
import { settleBackup } from './settleBackup.ts';
import { backupLoss } from './warnings.ts';

const removeStep = 'remove';

/** The cluster is the one that the backup was taken of, deleted or not: records of clusters stay. */
const inputSchema = z.strictObject({ clusterId: clusterIdSchema, backupId: backupIdSchema });

export type DeleteBackupInput = z.infer<typeof inputSchema>;

/** Removes the files of a backup; its record stays. An operation on the cluster that it was taken of, also when that is deleted. */
export const deleteBackup = defineOperation<DeleteBackupInput>({
  kind: 'DELETE_BACKUP',
  permission: 'backup:delete',
  input: inputSchema,
  deadlineMs: 30 * minuteMs,
  subject: { kind: 'EXISTING', clusterId: ({ clusterId }) => clusterId },
  blockers: ({ cluster }) => clusterIsFree(cluster),
  quota: givesBack,
  warnings: whatIsLost,
  accept: assertRemovable,
  record: async (change, { operationId, now }, _facts, { backupId }) =>
    settleBackup(change, backupId, { now, operationId, removal: 'BEGUN' }),
  reopen: async (change, facts, _planned, { operationId, now, input }) => {
    await assertRemovable(change, facts, input);
    await settleBackup(change, input.backupId, { now, operationId, removal: 'BEGUN' });
  },
  plan: () => [{ key: removeStep, name: 'remove the files', instanceId: null }],
  run: async ({ step }, { clusterId, backupId }) =>
    await step(removeStep, async ({ backups: { store }, clock, change, operationId, signal }) => {
      await asStep(() => store.removeAll(`${clusterId}/${backupId}`, { signal }));
      await change(async (inside) => {
        await inside.tx.instanceBackup.updateMany({ where: { backupId }, data: { location: null } });
        await settleBackup(inside, backupId, { now: clock.now(), operationId, removal: 'DONE' });
      });
      return { backupId };
    }),
  cleanUp: putBack,
  lifecycle: { onSuccess: null, onFailure: null },
  pointOfNoReturn: removeStep,
});

/** Every operation that was to remove this backup. */
export const deletionsOf = ({ clusterId, backupId }: DeleteBackupInput) =>
  ({ kind: 'DELETE_BACKUP', clusterId, input: { path: ['backupId'], equals: backupId } }) satisfies OperationWhereInput;

/** A backup of which no file was removed is what it was. Otherwise it goes on being removed: by a retry, or by Grove itself. */
async function putBack({ cluster, operationId, clock, change }: CleanUpContext): Promise<null> {
  await change(async (inside) => {
    const { input } = await inside.tx.operation.findUniqueOrThrow({ where: { id: operationId } });
    const { backupId } = inputSchema.parse(input);
    await lockBackup(inside.tx, backupId, cluster.projectId);
    const begun = { ...deletionsOf({ clusterId: cluster.id, backupId }), steps: { some: { attempt: { gt: 0 } } } };
    if ((await inside.tx.operation.count({ where: begun })) > 0) return;
    const reason = 'Its removal ended before it had begun.';
    await settleBackup(inside, backupId, { now: clock.now(), operationId, removal: 'NONE', reason });
  });
  return null;
}

/** One without files takes nothing of the quota, so nothing comes back. */
async function givesBack({ cluster }: Facts, { backupId }: DeleteBackupInput, tx: Transaction): Promise<QuotaDemand> {
  const backup = await loadBackupFacts(tx, { id: backupId, projectId: cluster.projectId });
  return backup && hasFiles(backup.status) ? { BACKUPS: -1 } : {};
}

async function whatIsLost({ cluster }: Facts, { backupId }: DeleteBackupInput, tx: Transaction): Promise<Warning[]> {
  const backup = await loadBackupFacts(tx, { id: backupId, projectId: cluster.projectId });
  if (!backup || !isCompleted(backup.status)) return [];
  const others = { clusterId: cluster.id, status: backup.status, id: { not: backupId } };
  const isLast = (await tx.backup.count({ where: others })) === 0;
  return [backupLoss(backup, { isLast, isClusterGone: isDeleted(cluster.lifecycle) })];
}

async function assertRemovable({ tx }: Change, { cluster }: Facts, { backupId }: DeleteBackupInput): Promise<void> {
  const backup = await lockBackup(tx, backupId, cluster.projectId);
  if (backup.clusterId !== cluster.id) throw new NotFoundError('The backup');
  if (isRemoved(backup.status)) return;
  const user = await operationThatUses(tx, backupId);
  if (user) throw new BackupInUseError(backup.name, user);
  if (!isBeingTaken(backup.status)) return;
  const taking = await tx.backup.findUniqueOrThrow({
    where: { id: backupId },
    select: { operation: { select: { id: true, kind: true } } },
  });
  throw new BackupInUseError(backup.name, taking.operation);
}
