import { z } from 'zod';
import type { ClusterFacts } from '#domain/facts.ts';
import { instancesDemand } from '#domain/quota.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import { hourMs } from '#lib/time/durations.ts';
import { damagedPart, missingPart } from './checkStoredPart.ts';
import { removeNetwork } from './deleteCluster.ts';
import type { OperationError } from './ending.ts';
import { accessRulesSchema, backupIdSchema, engineVersionSchema, instanceSizeSchema, nameSchema } from './inputs.ts';
import { type CleanUpContext, defineOperation, type RunContext } from './operation.ts';
import { lookAgain } from './partFaults.ts';
import { removeInstance } from './removeInstance.ts';
import { createFromBackup, planRestore, reopenRestore, restoreInstances } from './restoreInstances.ts';
import { nobodyMayConnect, singleInstance } from './warnings.ts';

const inputSchema = z.strictObject({
  backupId: backupIdSchema,
  name: nameSchema,
  /** Has to be the backup's. */
  instanceCount: z.int().nullish(),
  /** Has to be the backup's. */
  engineVersion: engineVersionSchema.nullish(),
  size: instanceSizeSchema.nullish(),
  accessRules: accessRulesSchema.nullish(),
  deletionProtection: z.boolean().nullish(),
});

export type RestoreClusterInput = z.infer<typeof inputSchema>;

/** Makes a new cluster with the data of a backup, each instance from its own part. */
export const restoreCluster = defineOperation<RestoreClusterInput>({
  kind: 'RESTORE_CLUSTER',
  permission: 'backup:restore',
  input: inputSchema,
  deadlineMs: 6 * hourMs,
  subject: { kind: 'NEW', create: createFromBackup },
  lookAgain: async (deps, projectId, { backupId }) => await lookAgain(deps, { id: backupId, projectId }),
  blockers: () => [],
  quota: ({ cluster }) => instancesDemand(cluster.instances),
  warnings: ({ cluster }) => [...singleInstance(cluster), ...nobodyMayConnect(cluster, cluster.accessRules)],
  reopen: reopenRestore,
  plan: ({ cluster }) => planRestore(cluster),
  run: async ({ cluster, planned, step }) => {
    if (!isWhole(cluster, planned)) throw takenBack(cluster.name);
    return await restoreInstances(cluster, step);
  },
  cleanUp: async (context, { error }) => (isUnusable(error) ? await takeBackCluster(context) : null),
  lifecycle: { onSuccess: 'LIVE', onFailure: 'FAILED' },
  pointOfNoReturn: null,
});

/** Trying again cannot help: the backup itself is at fault. */
const isUnusable = ({ code }: OperationError): boolean => [missingPart, damagedPart, takenBackCode].includes(code);

const takenBackCode = 'RESTORE_TAKEN_BACK';

/** What a retry fails with where the cluster could be taken back in part only, such as while its host was away. */
export const takenBack = (cluster: string): StepFailure =>
  new StepFailure(takenBackCode, `Cluster "${cluster}" was taken back in part, since its restore had failed.`);

/** True if all the instances that were announced are there. */
export const isWhole = ({ instances }: ClusterFacts, planned: RunContext['planned']): boolean =>
  planned.every(({ instanceId }) => instanceId === null || instances.some(({ id }) => id === instanceId));

/** Nothing is left of the cluster but its record. Where an instance cannot be removed, the others are all the same. */
export async function takeBackCluster(context: CleanUpContext): Promise<'DELETED'> {
  const removals = await Promise.allSettled(
    context.cluster.instances.map((instance) => removeInstance(context, instance)),
  );
  const failed = removals.find((removal) => removal.status === 'rejected');
  if (failed) throw failed.reason;
  await removeNetwork(context);
  return 'DELETED';
}
