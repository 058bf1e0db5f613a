import { z } from 'zod';
import { DeletionProtectedError } from '#domain/errors.ts';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import type { Change } from '#events/transact.ts';
import { clusterIsFree, clusterIsThere } from './blockers.ts';
import { clusterIdSchema } from './inputs.ts';
import { defineOperation, type Facts, type PlannedStep, type StepContext } from './operation.ts';

const minuteMs = 60_000;
const networkStep = 'network';
const removeStep = ({ id }: InstanceFacts) => `remove:${id}`;

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
  accept: beginDeletion,
  reopen: beginDeletion,
  plan: ({ cluster }) => planRemoval(cluster),
  run: async ({ cluster, step }) => {
    await Promise.all(
      cluster.instances.map((instance) => step(removeStep(instance), (context) => removeInstance(context, instance))),
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
  return [
    ...instances.map((instance) => ({
      key: removeStep(instance),
      name: `remove ${instance.name}`,
      instanceId: instance.id,
    })),
    { key: networkStep, name: 'remove the network', instanceId: null },
  ];
}

/** Process, volume, address and name of an instance are gone; its record stays. */
export async function removeInstance(
  { cluster, provider, setActivity }: Pick<StepContext, 'cluster' | 'provider' | 'setActivity'>,
  { id }: InstanceFacts,
): Promise<null> {
  if (!cluster.instances.some((instance) => instance.id === id)) return null;
  await setActivity([{ id }], 'REMOVING');
  await provider.destroyInstance({ clusterId: cluster.id, instanceId: id });
  await setActivity([{ id }], 'REMOVED', async ({ tx }, now) => {
    const gone = { removedAt: now, address: null, port: null, dnsName: null, agentTokenHash: null };
    await tx.instance.update({ where: { id }, data: gone });
  });
  return null;
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
