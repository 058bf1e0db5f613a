import { z } from 'zod';
import { DeletionProtectedError } from '#domain/errors.ts';
import type { ClusterFacts } from '#domain/facts.ts';
import { givenBack, instancesDemand } from '#domain/quota.ts';
import type { Change } from '#events/transact.ts';
import { minuteMs } from '#lib/time/durations.ts';
import { clusterIsFree, clusterIsThere } from './blockers.ts';
import { clusterIdSchema } from './inputs.ts';
import { defineOperation, type Facts, type PlannedStep, type StepContext } from './operation.ts';
import { planRemove, removeInstance, removeStep } from './removeInstance.ts';
import { dataLoss } from './warnings.ts';

const networkStep = 'network';

const inputSchema = z.strictObject({ clusterId: clusterIdSchema });

export type DeleteClusterInput = z.infer<typeof inputSchema>;

/** Removes every process, volume, address, rule and network of a cluster. Possible whatever its health. */
export const deleteCluster = defineOperation<DeleteClusterInput>({
  kind: 'DELETE_CLUSTER',
  permission: 'cluster:delete',
  input: inputSchema,
  deadlineMs: 15 * minuteMs,
  subject: { kind: 'EXISTING', clusterId: ({ clusterId }) => clusterId },
  blockers: ({ cluster }) => [...clusterIsThere(cluster), ...clusterIsFree(cluster), ...isUnprotected(cluster)],
  quota: ({ cluster }) => givenBack(instancesDemand(cluster.instances)),
  warnings: ({ cluster }) => dataLoss(cluster),
  accept: beginDeletion,
  reopen: beginDeletion,
  plan: ({ cluster }) => planRemoval(cluster),
  run: async ({ planned, step }) => {
    // Of the plan, not of the cluster: there a worker that resumes no longer sees those that are gone already.
    const instances = planned.flatMap(({ instanceId }) => (instanceId === null ? [] : [{ id: instanceId }]));
    await Promise.all(
      instances.map((instance) => step(removeStep(instance), (context) => removeInstance(context, instance))),
    );
    await step(networkStep, removeNetwork);
    return {};
  },
  lifecycle: { onSuccess: 'DELETED', onFailure: 'FAILED' },
  pointOfNoReturn: networkStep,
});

/** The instances stay as they are until each one's removal begins: a deletion that is cancelled before has changed nothing. */
async function beginDeletion({ tx }: Change, { cluster }: Facts): Promise<void> {
  await tx.cluster.update({ where: { id: cluster.id }, data: { lifecycle: 'DELETING' } });
}

const isUnprotected = ({ name, deletionProtection }: ClusterFacts) =>
  deletionProtection ? [new DeletionProtectedError(name)] : [];

function planRemoval({ instances }: ClusterFacts): PlannedStep[] {
  return [...instances.map(planRemove), { key: networkStep, name: 'remove the network', instanceId: null }];
}

/** The cluster's network, and all that is left of it on its host, is gone. */
export async function removeNetwork({
  cluster,
  provider,
  change,
}: Pick<StepContext, 'cluster' | 'provider' | 'change'>): Promise<null> {
  await provider.destroyNetwork(cluster.id);
  await change(({ tx }) =>
    tx.cluster.update({ where: { id: cluster.id }, data: { networkCidr: null, networkPeers: [] } }),
  );
  return null;
}
