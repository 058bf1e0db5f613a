import type { InstanceFacts } from '#domain/facts.ts';
import type { Change } from '#events/transact.ts';
import type { PlannedStep, StepContext } from './operation.ts';

/** A CommandError (agent/protocol.ts). */
const removedError = { code: 'INSTANCE_REMOVED', message: 'The instance was removed.', retryable: false };

export const removeStep = ({ id }: Pick<InstanceFacts, 'id'>): string => `remove:${id}`;

export const planRemove = (instance: InstanceFacts): PlannedStep => ({
  key: removeStep(instance),
  name: `remove ${instance.name}`,
  instanceId: instance.id,
});

/**
 * Process, volume, address and name of an instance are gone; its record stays, and what its agent was told to do has ended. Works
 * through the provider, so the instance need not answer.
 * @param also done in the transaction that makes it REMOVED, and so once
 */
export async function removeInstance(
  { cluster, provider, setActivity }: Pick<StepContext, 'cluster' | 'provider' | 'setActivity'>,
  { id }: Pick<InstanceFacts, 'id'>,
  also?: (change: Change) => Promise<void>,
): Promise<null> {
  if (!cluster.instances.some((instance) => instance.id === id)) return null;
  await setActivity([{ id }], 'REMOVING');
  await provider.destroyInstance({ clusterId: cluster.id, instanceId: id });
  await setActivity([{ id }], 'REMOVED', async (change, now) => {
    const gone = { removedAt: now, address: null, port: null, dnsName: null, agentTokenHash: null };
    await change.tx.instance.update({ where: { id }, data: gone });
    await change.tx.agentCommand.updateMany({
      where: { instanceId: id, status: 'PENDING' },
      data: { status: 'FAILED', error: removedError, finishedAt: now },
    });
    await also?.(change);
  });
  return null;
}
