import type { InstanceFacts } from '#domain/facts.ts';
import { wantedPrimary } from '#domain/promotion.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import type { Election, PromotionOutcome } from '#engines/engine.ts';
import { ProviderError } from '#providers/provider.ts';
import { answered } from './answered.ts';
import type { BroughtBack } from './bringBack.ts';
import { liftFence } from './liftFence.ts';
import type { RunContext, StepContext } from './operation.ts';
import type { PromoteInstanceInput } from './promotionInput.ts';
import {
  instanceOf,
  knownOutcome,
  type PromotionResult,
  promotionOf,
  promotionSteps,
  settleGroup,
  wantAsPrimary,
} from './promotionSteps.ts';

/** `goneSince`: until when the lost primary may have taken writes, in milliseconds since 1970. Null: not known. */
type Fenced = { fromId: string | null; goneSince: number | null };

/**
 * FAILOVER: the lost primary is fenced off, so that nothing is added to what the replicas can have; then they are asked what they
 * have, and the one that is chosen is recorded before it is told. It becomes the primary, the others follow, the old one comes back.
 */
export async function failOver({ step }: RunContext, input: PromoteInstanceInput): Promise<PromotionResult> {
  const { fromId, goneSince } = await step(promotionSteps.stop, fence);
  const election = await step(promotionSteps.elect, (context) => elect(context, input, fromId));
  const toId = election.instanceId;
  const writeGapMs = await step(promotionSteps.promote, async (context) => {
    if (toId === null) return giveUp(context, fromId, election.reason);
    const to = instanceOf(context, toId);
    const outcome = await knownOutcome(to, election.resumes ? resume(context, to) : promote(context, to));
    if (!outcome.promoted) throw new StepFailure('NOT_PROMOTED', outcome.reason, { retryable: true });
    return { ms: goneSince === null ? null : Math.max(0, context.clock.now().getTime() - goneSince) };
  });
  if (toId === null) throw new Error('Nobody was elected');
  const back = await settleGroup(step, { fromId, toId });
  return {
    mode: 'FAILOVER',
    fromId,
    toId,
    ...lossOf(election, back),
    writeGapMs: writeGapMs.ms,
    rejoined: back.how,
    rejoinFailure: back.reason,
  };
}

const promote = (context: StepContext, to: InstanceFacts): Promise<PromotionOutcome> =>
  answered(context, to, (patient) => promotionOf(context).promote(patient, to, null));

/** A former primary that a person chose: its fence is lifted, and it goes on where it ended. */
async function resume(context: StepContext, to: InstanceFacts): Promise<PromotionOutcome> {
  const begun = performance.now();
  await liftFence(context, to.id);
  await answered(context, to, (patient) => promotionOf(context).resume(patient, to));
  return { promoted: true, tookMs: performance.now() - begun };
}

async function fence(context: StepContext): Promise<Fenced> {
  const { cluster, provider, clock, change } = context;
  const from = wantedPrimary(cluster);
  if (!from) return { fromId: null, goneSince: null };
  const goneSince = goneSinceOf(from);
  await change(({ tx }) =>
    tx.instance.update({ where: { id: from.id }, data: { fencedAt: from.fencedAt ?? clock.now() } }),
  );
  await provider.stopInstance({ clusterId: cluster.id, instanceId: from.id }, { fence: true });
  return { fromId: from.id, goneSince };
}

/** As near as is known: when its agent was lost, else when its server was seen dead, else the last report. */
function goneSinceOf({ agentLostAt, observation, statusChangedAt, observedAt }: InstanceFacts): number | null {
  if (observation?.serving === false) return statusChangedAt.getTime();
  return (agentLostAt ?? observedAt)?.getTime() ?? null;
}

async function elect(context: StepContext, input: PromoteInstanceInput, fromId: string | null): Promise<Election> {
  const { cluster } = context;
  const target = input.instanceId == null ? null : instanceOf(context, input.instanceId);
  // As it was: a run before this one may have recorded its choice already.
  const before = { ...context, cluster: { ...cluster, primaryInstanceId: fromId } };
  const election = await promotionOf(context).elect(before, {
    target,
    maxLagBytes: input.maxLagBytes ?? cluster.failover.maxLagBytes,
    acceptDataLoss: input.acceptDataLoss ?? false,
  });
  if (election.instanceId === null) return election;
  await context.setActivity([{ id: election.instanceId }], 'PROMOTING');
  await wantAsPrimary(context, election.instanceId);
  return election;
}

/** Nobody was told to become the primary, so the old one may come back as it was. */
async function giveUp(context: StepContext, fromId: string | null, reason: string): Promise<never> {
  const failure = fromId === null ? null : await letGo(context, fromId);
  const rest =
    failure === null ? 'the old primary may come back.' : `the old primary stays fenced off: ${failure.message}`;
  throw new StepFailure('NOBODY_ELECTED', `${reason} Nothing was promoted; ${rest}`, {
    retryable: failure?.retryable ?? false,
  });
}

/** The old primary is wanted again, its fence gone. Answers with what stands in the way; null: nothing. */
async function letGo(context: StepContext, id: string): Promise<ProviderError | null> {
  await wantAsPrimary(context, id);
  try {
    await liftFence(context, id);
    return null;
  } catch (error) {
    if (error instanceof ProviderError) return error;
    throw error;
  }
}

/** Exact once the old primary's own data was looked at: all that it had and the new one has not. */
function lossOf(election: Election, back: BroughtBack): Pick<PromotionResult, 'lossBytes' | 'lossBasis'> {
  if (back.discardedBytes !== null) return { lossBytes: back.discardedBytes, lossBasis: 'OLD_PRIMARY' };
  return { lossBytes: election.instanceId === null ? null : election.lossBytes, lossBasis: 'LAST_REPORT' };
}
