import type { StepContext } from './operation.ts';

/** The instance may take writes again. Only for one that is wanted as the primary, so that no other was told to take over. */
export async function liftFence(
  { cluster, provider, change }: Pick<StepContext, 'cluster' | 'provider' | 'change'>,
  instanceId: string,
): Promise<void> {
  await provider.startInstance({ clusterId: cluster.id, instanceId }, { liftFence: true });
  await change(({ tx }) => tx.instance.update({ where: { id: instanceId }, data: { fencedAt: null } }));
}
