import type { OperationStep } from '#generated/prisma/client.ts';
import type { CleanUpContext } from './operation.ts';
import { promotionSteps } from './promotionSteps.ts';

type Step = Pick<OperationStep, 'key' | 'attempt'>;

/** True once an instance may have been told to become the primary. */
export const isTold = (steps: readonly Step[]): boolean =>
  steps.some(({ key, attempt }) => key === promotionSteps.promote && attempt > 0);

/**
 * A promotion that ended before anybody was told to become the primary leaves the old one wanted, its fence lifted, and the chosen one as
 * it was. The old one may be stopped by then: that is for a failover, or a retry.
 */
export async function takeBackPromotion({
  cluster,
  provider,
  operationId,
  change,
  setActivity,
}: CleanUpContext): Promise<null> {
  const steps = await change(({ tx }) => tx.operationStep.findMany({ where: { operationId } }));
  const stop = steps.find(({ key }) => key === promotionSteps.stop);
  if (stop === undefined || stop.attempt === 0 || isTold(steps)) return null;
  const old = cluster.instances.find(({ id }) => id === stop.instanceId);
  await change(async ({ tx }) => {
    await tx.cluster.update({ where: { id: cluster.id }, data: { primaryInstanceId: old?.id ?? null } });
    if (old) await tx.instance.update({ where: { id: old.id }, data: { fencedAt: null } });
  });
  await setActivity(
    cluster.instances.filter(({ activity }) => activity === 'PROMOTING'),
    'NONE',
  );
  const isFenced = old !== undefined && steps.some(({ key }) => key === promotionSteps.elect);
  if (isFenced) await provider.startInstance({ clusterId: cluster.id, instanceId: old.id }, { liftFence: true });
  return null;
}
