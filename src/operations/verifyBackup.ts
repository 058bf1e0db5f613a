import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { instancesDemand } from '#domain/quota.ts';
import type { Change } from '#events/transact.ts';
import { hourMs } from '#lib/time/durations.ts';
import { removeNetwork } from './deleteCluster.ts';
import { backupIdSchema } from './inputs.ts';
import { defineOperation, type RunStep } from './operation.ts';
import { planRemove, removeInstance, removeStep } from './removeInstance.ts';
import { isWhole, takeBackCluster, takenBack } from './restoreCluster.ts';
import { createFromBackup, planRestore, restoreInstances } from './restoreInstances.ts';

const recordStep = 'record';
const removeNetworkStep = 'remove:network';

const inputSchema = z.strictObject({ backupId: backupIdSchema });

export type VerifyBackupInput = z.infer<typeof inputSchema>;

/**
 * Restores a backup into a cluster that it makes for that and removes afterwards, and records that it is good. What was found wrong
 * with its parts before does not bar it: it looks again.
 */
export const verifyBackup = defineOperation<VerifyBackupInput>({
  kind: 'VERIFY_BACKUP',
  permission: 'backup:restore',
  input: inputSchema,
  deadlineMs: 6 * hourMs,
  subject: {
    kind: 'NEW',
    create: async (change, context, { backupId }) =>
      await createFromBackup(
        change,
        context,
        {
          backupId,
          name: `verify-${randomBytes(8).toString('hex')}`,
          // Nobody but Grove itself connects to it.
          accessRules: [],
        },
        'LOOK_AGAIN',
      ),
  },
  blockers: () => [],
  quota: ({ cluster }) => instancesDemand(cluster.instances),
  record: async ({ tx }, { now }, _facts, { backupId }) => {
    await tx.backup.update({ where: { id: backupId }, data: { verifyBegunAt: now } });
  },
  plan: ({ cluster }) => [
    ...planRestore(cluster),
    { key: recordStep, name: 'record that the backup is good', instanceId: null },
    ...cluster.instances.map(planRemove),
    { key: removeNetworkStep, name: 'remove the network', instanceId: null },
  ],
  run: async ({ cluster, planned, step }, { backupId }) => {
    const ids = [...new Set(planned.flatMap(({ instanceId }) => instanceId ?? []))];
    // Once one of them is gone, what is found is the removal: after the verdict, or where a failed one is retried that could not all be
    // taken back.
    const restored = isWhole(cluster, planned) ? await restoreInstances(cluster, step) : null;
    const { seededAgain } = await step(recordStep, async ({ clock, operationId, onSuccess }) => {
      if (restored === null) throw takenBack(cluster.name);
      onSuccess((change) => recordVerified(change, { operationId, backupId, now: clock.now() }));
      return { seededAgain: restored.seededAgain };
    });
    await removeAll(ids, step);
    return { backupId, seededAgain };
  },
  cleanUp: takeBackCluster,
  lifecycle: { onSuccess: 'DELETED', onFailure: 'FAILED' },
  pointOfNoReturn: null,
});

async function recordVerified(
  { tx, record }: Change,
  { operationId, backupId, now }: { operationId: string; backupId: string; now: Date },
): Promise<void> {
  const { clusterId, clusterName, name } = await tx.backup.update({
    where: { id: backupId },
    data: { lastVerifiedAt: now },
  });
  await tx.instanceBackup.updateMany({ where: { backupId }, data: { fault: null } });
  const payload = { cluster: clusterName, backup: name, backupId };
  record({ type: 'BACKUP_VERIFIED', clusterId, operationId, payload });
}

async function removeAll(instanceIds: readonly string[], step: RunStep): Promise<void> {
  await Promise.all(instanceIds.map((id) => step(removeStep({ id }), (context) => removeInstance(context, { id }))));
  await step(removeNetworkStep, removeNetwork);
}
