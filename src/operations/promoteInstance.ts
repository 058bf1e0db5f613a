import { freeStatuses } from '#domain/clusterStatus.ts';
import { type DomainError, PromotionUnsupportedError } from '#domain/errors.ts';
import type { ClusterFacts } from '#domain/facts.ts';
import { isFormerPrimary, isHealthy, wantedPrimary } from '#domain/promotion.ts';
import type { PromotionRequest } from '#engines/engine.ts';
import { minuteMs } from '#lib/time/durations.ts';
import { clusterIsReady, notOfCluster } from './blockers.ts';
import { failOver } from './failOver.ts';
import { handOver } from './handOver.ts';
import { defineOperation, type Facts } from './operation.ts';
import { type PromoteInstanceInput, promotionInputSchema } from './promotionInput.ts';
import { planPromotion, promotionSteps } from './promotionSteps.ts';
import { isTold, takeBackPromotion } from './takeBackPromotion.ts';
import { promotionRisks } from './warnings.ts';

/** Makes a replica the primary: PLANNED hands the role over and loses nothing, FAILOVER replaces a lost primary. */
export const promoteInstance = defineOperation<PromoteInstanceInput>({
  kind: 'PROMOTE_INSTANCE',
  permission: 'cluster:promote',
  input: promotionInputSchema,
  deadlineMs: 30 * minuteMs,
  urgent: true,
  subject: { kind: 'EXISTING', clusterId: ({ clusterId }) => clusterId },
  blockers: (facts) => [...clusterIsReady(facts.cluster, freeStatuses), ...somebodyIsFit(facts)],
  inputBlockers: ({ cluster, engine }, input) => {
    const target = targetOf(cluster, input);
    if (target === undefined) return [notOfCluster(cluster)];
    return engine.promotion?.blockers(cluster, requestOf(cluster, input, target)) ?? [];
  },
  warnings: promotionRisks,
  accept: async ({ record }, { cluster }, { evidence }) => {
    const primary = wantedPrimary(cluster);
    if (evidence == null || !primary) return;
    const payload = { cluster: cluster.name, instance: primary.name, evidence };
    record({ type: 'PRIMARY_LOST', clusterId: cluster.id, instanceId: primary.id, payload });
  },
  plan: ({ cluster }, input) => planPromotion(cluster, { mode: input.mode, target: targetOf(cluster, input) ?? null }),
  run: async (context, input) => (input.mode === 'PLANNED' ? handOver(context, input) : failOver(context, input)),
  cleanUp: takeBackPromotion,
  beginsAnew: ({ code }, steps) => gaveUp.includes(code) || !isTold(steps),
  lifecycle: { onSuccess: null, onFailure: null },
  pointOfNoReturn: promotionSteps.stop,
  outlastsDeadline: true,
});

/** What failOver and handOver end with once the old primary is the primary as before. */
const gaveUp: readonly string[] = ['NOBODY_ELECTED', 'WRITES_GIVEN_BACK'];

/** Undefined: the input names an instance that is not there. Null: it names none. */
function targetOf(
  { instances }: ClusterFacts,
  { instanceId }: PromoteInstanceInput,
): PromotionRequest['target'] | undefined {
  return instanceId == null ? null : instances.find(({ id }) => id === instanceId);
}

function requestOf(
  { failover }: ClusterFacts,
  { mode, maxLagBytes, acceptDataLoss }: PromoteInstanceInput,
  target: PromotionRequest['target'],
): PromotionRequest {
  return {
    mode,
    target,
    maxLagBytes: maxLagBytes ?? failover.maxLagBytes,
    acceptDataLoss: acceptDataLoss ?? false,
  };
}

/** Whatever is asked for: some replica can become the primary in the mode that the primary's state asks for. */
function somebodyIsFit({ cluster, engine }: Facts): DomainError[] {
  if (engine.promotion === null) return [new PromotionUnsupportedError(engine.displayName)];
  if (cluster.currentOperation) return [];
  const primary = wantedPrimary(cluster);
  const mode = primary && isHealthy(primary) && primary.role === 'PRIMARY' ? 'PLANNED' : 'FAILOVER';
  const blockersOf = (target: PromotionRequest['target']) =>
    engine.promotion?.blockers(cluster, {
      ...{ mode, target },
      ...{ maxLagBytes: Number.POSITIVE_INFINITY, acceptDataLoss: true },
    }) ?? [];
  const former = cluster.instances.filter((instance) => isFormerPrimary(cluster, instance));
  return former.some((instance) => blockersOf(instance).length === 0) ? [] : blockersOf(null);
}
