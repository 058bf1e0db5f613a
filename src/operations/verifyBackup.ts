import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { ClusterFacts } from '#domain/facts.ts';
import { instancesDemand } from '#domain/quota.ts';
import { removeNetwork } from './deleteCluster.ts';
import { backupIdSchema } from './inputs.ts';
import type { StepContext } from './operation.ts';
import { defineOperation, type RunStep } from './operation.ts';
import { planRemove, removeInstance, removeStep } from './removeInstance.ts';
import { takeBackCluster } from './restoreCluster.ts';
import { createFromBackup, planRestore, restoreInstances } from './restoreInstances.ts';

const hourMs = 3_600_000;
const recordStep = 'record';
const removeNetworkStep = 'remove:network';

const inputSchema = z.strictObject({ backupId: backupIdSchema });

export type VerifyBackupInput = z.infer<typeof inputSchema>;

/** Restores a backup into a cluster that it makes for that and removes afterwards, and records that it is good. */
export const verifyBackup = defineOperation<VerifyBackupInput>({
  kind: 'VERIFY_BACKUP',
  permission: 'backup:restore',
  input: inputSchema,
  deadlineMs: 6 * hourMs,
  subject: {
    kind: 'NEW',
    create: async (change, context, { backupId }) =>
      await createFromBackup(change, context, {
        backupId,
        name: `verify-${randomBytes(8).toString('hex')}`,
        // Nobody but Grove itself connects to it.
        accessRules: [],
      }),
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
  run: async ({ cluster, step }, { backupId }) => {
    const { seededAgain } = await restoreInstances(cluster, step);
    await step(recordStep, (context) => recordVerified(context, backupId));
    await removeAll(cluster, step);
    return { backupId, seededAgain };
  },
  cleanUp: takeBackCluster,
  lifecycle: { onSuccess: 'DELETED', onFailure: 'FAILED' },
  pointOfNoReturn: null,
});

async function recordVerified({ change, operationId }: StepContext, backupId: string): Promise<null> {
  await change(async ({ tx, record }) => {
    const data = { lastVerifiedAt: new Date() };
    const { clusterId, clusterName, name } = await tx.backup.update({ where: { id: backupId }, data });
    const payload = { cluster: clusterName, backup: name, backupId };
    record({ type: 'BACKUP_VERIFIED', clusterId, operationId, payload });
  });
  return null;
}

async function removeAll({ instances }: ClusterFacts, step: RunStep): Promise<void> {
  await Promise.all(
    instances.map((instance) => step(removeStep(instance), (context) => removeInstance(context, instance))),
  );
  await step(removeNetworkStep, removeNetwork);
}
