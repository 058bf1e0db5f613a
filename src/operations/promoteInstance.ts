import { z } from 'zod';
import { freeStatuses } from '#domain/clusterStatus.ts';
import { type DomainError, NotFoundError, PromotionUnsupportedError } from '#domain/errors.ts';
import type { ClusterFacts } from '#domain/facts.ts';
import { isHealthy, wantedPrimary } from '#domain/promotion.ts';
import type { PromotionRequest } from '#engines/engine.ts';
import { clusterIsReady } from './blockers.ts';
import { failOver } from './failOver.ts';
import { handOver } from './handOver.ts';
import { clusterIdSchema } from './inputs.ts';
import { defineOperation, type Facts } from './operation.ts';
import { planPromotion, promotionSteps } from './promotionSteps.ts';
import { promotionRisks } from './warnings.ts';

const minuteMs = 60_000;

const inputSchema = z.strictObject({
  clusterId: clusterIdSchema,
  /** Null: the replica that has most is elected. */
  instanceId: z.uuid().nullish(),
  mode: z.enum(['PLANNED', 'FAILOVER']),
  /** Null: as the cluster's failover policy says. */
  maxLagBytes: z.int().min(0, 'must not be negative').nullish(),
  acceptDataLoss: z.boolean().nullish(),
  /** Why Grove asks for it by itself. */
  evidence: z.record(z.string(), z.json()).nullish(),
});

export type PromoteInstanceInput = z.infer<typeof inputSchema>;

/** Makes a replica the primary: PLANNED hands the role over and loses nothing, FAILOVER replaces a lost primary. */
export const promoteInstance = defineOperation<PromoteInstanceInput>({
  kind: 'PROMOTE_INSTANCE',
  permission: 'cluster:promote',
  input: inputSchema,
  deadlineMs: 30 * minuteMs,
  subject: { kind: 'EXISTING', clusterId: ({ clusterId }) => clusterId },
  blockers: (facts) => [...clusterIsReady(facts.cluster, freeStatuses), ...somebodyIsFit(facts)],
  inputBlockers: ({ cluster, engine }, input) => {
    const target = targetOf(cluster, input);
    if (target === undefined) return [new NotFoundError('The instance')];
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
  lifecycle: { onSuccess: null, onFailure: null },
  pointOfNoReturn: promotionSteps.stop,
});

/** Undefined: the input names an instance that is not there. Null: it names none. */
function targetOf(
  { instances }: ClusterFacts,
  { instanceId }: PromoteInstanceInput,
): PromotionRequest['target'] | undefined {
  return instanceId == null ? null : instances.find(({ id }) => id === instanceId);
}

export function requestOf(
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
  const mode = primary && isHealthy(primary) ? 'PLANNED' : 'FAILOVER';
  const anybody = { mode, target: null, maxLagBytes: Number.POSITIVE_INFINITY, acceptDataLoss: true } as const;
  return engine.promotion.blockers(cluster, anybody);
}
