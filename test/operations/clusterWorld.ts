import { assertPresent } from '#lib/values/assertPresent.ts';
import { accept } from '#operations/accept.ts';
import { createCluster } from '#operations/createCluster.ts';
import { runOperation } from '#operations/runOperation.ts';
import { settleCluster } from '#operations/settleCluster.ts';
import type { TestOperations } from '../support/operations.ts';

export const once = { idempotencyKey: null, expectedVersion: null };
export const never = new AbortController().signal;

export type TestCluster = { actor: Awaited<ReturnType<TestOperations['createActor']>>; clusterId: string };

/** A cluster named "orders" of so many instances on fake machines, in a project of its own. */
export async function activeCluster(grove: TestOperations, instanceCount: number): Promise<TestCluster> {
  const actor = await grove.createActor();
  const input = { name: 'orders', engine: 'fake', instanceCount };
  const { clusterId, operationId } = await accept(grove.deps, actor, createCluster, input, once);
  await runOperation(grove.deps, operationId, never);
  return { actor, clusterId };
}

/** The cluster's row with its instances that are not removed. */
export const clusterOf = ({ deps }: TestOperations, id: string) =>
  deps.db.cluster.findUniqueOrThrow({
    where: { id },
    include: { instances: { where: { removedAt: null }, orderBy: { name: 'asc' } } },
  });

export async function instanceNamed(grove: TestOperations, { clusterId }: TestCluster, name: string) {
  const { instances } = await clusterOf(grove, clusterId);
  return assertPresent(
    instances.find((instance) => instance.name === name),
    name,
  );
}

/** An instance with the data of a primary reports that its server is down. */
export async function losePrimary(grove: TestOperations, cluster: TestCluster, name = 'orders-1'): Promise<void> {
  const { id } = await instanceNamed(grove, cluster, name);
  await grove.machines.observe(id, { serving: false, role: 'PRIMARY' });
  await settleCluster(grove.deps, cluster.clusterId);
}

export const operationOf = ({ deps }: TestOperations, id: string) =>
  deps.db.operation.findUniqueOrThrow({ where: { id }, include: { steps: { orderBy: { position: 'asc' } } } });

export const eventsOf = ({ deps }: TestOperations, { actor: { projectId } }: TestCluster) =>
  deps.db.event.findMany({ where: { projectId }, orderBy: { seq: 'asc' } });
