import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { wantedPrimary } from '#domain/promotion.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import { AgentSilent, type Promotion, type PromotionMode, type PromotionOutcome } from '#engines/engine.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import type { JsonObject } from '#lib/values/json.ts';
import { answeringWithin } from './answered.ts';
import { type BroughtBack, bringBack } from './bringBack.ts';
import type { PlannedStep, RunStep, StepContext } from './operation.ts';
import { untilWithin } from './untilWithin.ts';
import { notAsWanted, reportedWithinMs } from './verifyCluster.ts';

/** From `stop` on a promotion cannot be cancelled: the old primary takes no more writes. */
export const promotionSteps = {
  prepare: 'prepare',
  stop: 'stop',
  elect: 'elect',
  promote: 'promote',
  rejoin: 'rejoin',
  follow: 'follow',
  verify: 'verify',
} as const;

export function planPromotion(
  cluster: ClusterFacts,
  { mode, target }: { mode: PromotionMode; target: InstanceFacts | null },
): PlannedStep[] {
  const old = wantedPrimary(cluster);
  const from = old?.name ?? 'the old primary';
  const to = target?.name ?? 'the elected replica';
  const { prepare, stop, elect, promote, rejoin, follow, verify } = promotionSteps;
  const oldId = old?.id ?? null;
  const begin: PlannedStep[] =
    mode === 'PLANNED'
      ? [
          { key: prepare, name: `prepare the promotion of ${to}`, instanceId: target?.id ?? null },
          { key: stop, name: `stop ${from}`, instanceId: oldId },
        ]
      : [
          { key: stop, name: `fence ${from} off`, instanceId: oldId },
          {
            key: elect,
            name: target === null ? 'elect a replica' : `ask what ${to} has`,
            instanceId: target?.id ?? null,
          },
        ];
  return [
    ...begin,
    { key: promote, name: `promote ${to}`, instanceId: target?.id ?? null },
    { key: follow, name: 'let the other replicas follow', instanceId: null },
    { key: rejoin, name: `bring ${from} back`, instanceId: oldId },
    { key: verify, name: 'verify the cluster', instanceId: null },
  ];
}

/** Who hands over to whom, as a step records it. */
export type MoveRecord = { fromId: string | null; toId: string };

export function promotionOf({ engine }: Pick<StepContext, 'engine'>): Promotion {
  return assertPresent(engine.promotion, `promotion of ${engine.name}`);
}

export function instanceOf({ cluster }: Pick<StepContext, 'cluster'>, id: string): InstanceFacts {
  const instance = cluster.instances.find((found) => found.id === id);
  if (instance) return instance;
  throw new StepFailure('INSTANCE_GONE', 'An instance of the promotion is gone.');
}

/** From now on this instance is wanted as the primary: whoever promotes another one fences it off first. */
export async function wantAsPrimary({ cluster, change }: StepContext, primaryInstanceId: string): Promise<void> {
  await change(({ tx }) => tx.cluster.update({ where: { id: cluster.id }, data: { primaryInstanceId } }));
}

/** It was told to become the primary, and nobody knows whether it did. It stays wanted as such: whoever promotes another fences it off first. */
const promotionUnknown = ({ name }: Pick<InstanceFacts, 'name'>): StepFailure =>
  new StepFailure(
    'PROMOTION_UNKNOWN',
    `${name} was told to become the primary and does not say whether it has. Bring it back and retry this, or promote another with FAILOVER, which fences it off first.`,
  );

/** What became of the instance that was told to become the primary. Throws PROMOTION_UNKNOWN where it does not say. */
export async function knownOutcome(
  to: Pick<InstanceFacts, 'name'>,
  outcome: Promise<PromotionOutcome>,
): Promise<PromotionOutcome> {
  try {
    return await outcome;
  } catch (error) {
    throw error instanceof AgentSilent ? promotionUnknown(to) : error;
  }
}

/** The new primary reports that it is one; from here on its status is what its agent observes. */
async function isPrimaryNow(context: StepContext, { id, name }: InstanceFacts): Promise<void> {
  await untilWithin(context, {
    what: `${name} to report that it is the primary`,
    withinMs: context.timing.agentSilentMs,
    isReached: ({ instances }) =>
      instances.some((found) => found.id === id && found.observation?.serving && found.observation.role === 'PRIMARY'),
    failure: () =>
      new StepFailure(
        'NEW_PRIMARY_LOST',
        `${name} was promoted and has not reported since. Bring it back and retry this, or promote another with FAILOVER.`,
      ),
  });
  await context.setActivity([{ id }], 'NONE');
}

/** What every promotion ends with, once there is a new primary. Answers with what became of the old one. */
export async function settleGroup(step: RunStep, { fromId, toId }: MoveRecord): Promise<BroughtBack> {
  const followed = await step(promotionSteps.follow, (context) => followNewPrimary(context, { fromId, toId }));
  const back = await step(promotionSteps.rejoin, async (context) => {
    if (fromId === null) return nobody;
    return bringBack(context, promotionOf(context), instanceOf(context, fromId));
  });
  await step(promotionSteps.verify, async (context) => {
    const present = [toId, ...followed.instanceIds, ...(back.how === null || fromId === null ? [] : [fromId])];
    const patient = answeringWithin(context, () => context.timing.agentSilentMs);
    return verifyPresent(patient, present);
  });
  return back;
}

const nobody: BroughtBack = { how: null, discardedBytes: null, reason: 'There was none.' };

/** Those that are not there now are brought back when they are. */
async function followNewPrimary(
  context: StepContext,
  { fromId, toId }: MoveRecord,
): Promise<{ instanceIds: string[] }> {
  await isPrimaryNow(context, instanceOf(context, toId));
  const others = context.cluster.instances.filter(
    ({ id, agentLostAt, fencedAt, observation }) =>
      id !== fromId && id !== toId && agentLostAt === null && fencedAt === null && observation !== null,
  );
  const outcomes = await Promise.all(
    others.map(async (instance) => ({
      id: instance.id,
      ...(await bringBack(context, promotionOf(context), instance)),
    })),
  );
  return { instanceIds: outcomes.flatMap(({ id, how }) => (how === null ? [] : [id])) };
}

/** The data path among those that are there; with all of them there, the cluster is healthy. */
export async function verifyPresent(context: StepContext, instanceIds: readonly string[]): Promise<null> {
  const { cluster, engine } = context;
  const instances = cluster.instances.filter(({ id }) => instanceIds.includes(id));
  if (cluster.synchronous) await engine.applySynchronous(context);
  await engine.verify({ ...context, cluster: { ...cluster, instances } });
  if (instances.length < cluster.instances.length) return null;
  await untilWithin(context, {
    what: 'every instance to report that it is as wanted',
    withinMs: reportedWithinMs,
    isReached: (now) => engine.health(now).level === 'HEALTHY',
    failure: (now) => notAsWanted(engine.health(now)),
  });
  return null;
}

export type PromotionResult = JsonObject & {
  mode: PromotionMode;
  fromId: string | null;
  toId: string;
  lossBytes: number | null;
  lossBasis: 'NONE' | 'LAST_REPORT' | 'OLD_PRIMARY';
  writeGapMs: number | null;
  rejoined: BroughtBack['how'];
  rejoinFailure: string | null;
};
