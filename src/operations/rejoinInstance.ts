import { z } from 'zod';
import { changeableStatuses } from '#domain/clusterStatus.ts';
import {
  type DomainError,
  InstanceNotRejoinableError,
  NoPrimaryError,
  PromotionUnsupportedError,
} from '#domain/errors.ts';
import type { ClusterFacts } from '#domain/facts.ts';
import { isHealthy, wantedPrimary } from '#domain/promotion.ts';
import { hourMs } from '#lib/time/durations.ts';
import { clusterIsReady, notOfCluster } from './blockers.ts';
import { joinAgain } from './bringBack.ts';
import { clusterIdSchema } from './inputs.ts';
import { defineOperation, type Facts } from './operation.ts';
import { instanceOf, promotionOf, verifyPresent } from './promotionSteps.ts';

const rejoinStep = 'rejoin';
const verifyStep = 'verify';

const inputSchema = z.strictObject({ clusterId: clusterIdSchema, instanceId: z.uuid() });

export type RejoinInstanceInput = z.infer<typeof inputSchema>;

/** Makes an instance follow the primary again: a former primary, or a replica that has lost its place. What only it has is discarded. */
export const rejoinInstance = defineOperation<RejoinInstanceInput>({
  kind: 'REJOIN_INSTANCE',
  permission: 'cluster:promote',
  input: inputSchema,
  deadlineMs: 6 * hourMs,
  subject: { kind: 'EXISTING', clusterId: ({ clusterId }) => clusterId },
  blockers: (facts) => [...clusterIsReady(facts.cluster, changeableStatuses), ...canBeJoined(facts)],
  inputBlockers: ({ cluster, engine }, { instanceId }) => {
    const instance = cluster.instances.find(({ id }) => id === instanceId);
    if (!instance) return [notOfCluster(cluster)];
    const { name } = instance;
    if (instance.id === wantedPrimary(cluster)?.id) return [new InstanceNotRejoinableError(name, 'it is the primary')];
    const follows = isHealthy(instance) && engine.promotion?.stray(cluster, instance) === null;
    return follows ? [new InstanceNotRejoinableError(name, 'it follows the primary already')] : [];
  },
  plan: ({ cluster }, { instanceId }) => {
    const name = cluster.instances.find(({ id }) => id === instanceId)?.name ?? '';
    return [
      { key: rejoinStep, name: `let ${name} follow the primary`, instanceId },
      { key: verifyStep, name: 'verify the cluster', instanceId: null },
    ];
  },
  run: async ({ step }, { instanceId }) => {
    const { how, discardedBytes } = await step(rejoinStep, (context) =>
      joinAgain(context, promotionOf(context), instanceOf(context, instanceId)),
    );
    await step(verifyStep, (context) => verifyPresent(context, presentIds(context.cluster, instanceId)));
    return { instanceId, how, discardedBytes };
  },
  lifecycle: { onSuccess: null, onFailure: null },
  pointOfNoReturn: null,
});

function canBeJoined({ cluster, engine }: Facts): DomainError[] {
  if (engine.promotion === null) return [new PromotionUnsupportedError(engine.displayName)];
  if (cluster.currentOperation) return [];
  const primary = wantedPrimary(cluster);
  return primary && isHealthy(primary) ? [] : [new NoPrimaryError(cluster.name)];
}

/** The instance itself, and all that serve. */
const presentIds = ({ instances }: ClusterFacts, instanceId: string): string[] =>
  instances.filter((instance) => instance.id === instanceId || isHealthy(instance)).map(({ id }) => id);
