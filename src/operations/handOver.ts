import { wantedPrimary } from '#domain/promotion.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import { AgentCommandFailed, type Demotion, type PromotionOutcome } from '#engines/engine.ts';
import type { RunContext, StepContext } from './operation.ts';
import type { PromoteInstanceInput } from './promoteInstance.ts';
import {
  instanceOf,
  type MoveRecord,
  type PromotionResult,
  promotionOf,
  promotionSteps,
  settleGroup,
  wantAsPrimary,
} from './promotionSteps.ts';

/** An agent that has not answered by now is started anew, with what it was told to do: its answer is the only way to know. */
const answersWithinMs = 20_000;

type Handed = MoveRecord & { fromId: string };
/** `endedAt`: when the answer was there, in milliseconds since 1970. */
type Stopped = Demotion & { endedAt: number };

/**
 * PLANNED: the old primary is stopped in order, which sends the target its last write; only then the target is promoted. If it is
 * not, the old primary takes writes again. Which of the two it is, is recorded before either is acted on.
 */
export async function handOver({ step }: RunContext, input: PromoteInstanceInput): Promise<PromotionResult> {
  const move = await step(promotionSteps.prepare, (context) => prepare(context, input));
  const stopped = await step(promotionSteps.stop, (context) => stop(context, move));
  const outcome = await step(promotionSteps.promote, (context) => promote(context, move, stopped));
  if (!outcome.promoted) return await step(promotionSteps.rejoin, (context) => giveBack(context, move, outcome.reason));
  const back = await settleGroup(step, move);
  return {
    mode: 'PLANNED',
    ...move,
    lossBytes: 0,
    lossBasis: 'NONE',
    writeGapMs: outcome.writeGapMs,
    rejoined: back.how,
    rejoinFailure: back.reason,
  };
}

async function prepare(context: StepContext, { instanceId }: PromoteInstanceInput): Promise<Handed> {
  const promotion = promotionOf(context);
  const from = wantedPrimary(context.cluster);
  const elected = instanceId ?? promotion.candidates(context.cluster, 'PLANNED')[0]?.instance.id;
  if (!from || elected === undefined) {
    throw new StepFailure(
      'NO_CANDIDATE',
      `Cluster "${context.cluster.name}" has no replica that streams from its primary any more.`,
    );
  }
  await promotion.prepare(context, { from, to: instanceOf(context, elected) });
  return { fromId: from.id, toId: elected };
}

async function stop(context: StepContext, { fromId, toId }: Handed): Promise<Stopped> {
  const promotion = promotionOf(context);
  const move = { from: instanceOf(context, fromId), to: instanceOf(context, toId) };
  await promotion.makeReady(context, move.to);
  await context.setActivity([move.to], 'PROMOTING');
  await wantAsPrimary(context, toId);
  const demotion = await promotion.demote(context, move.from).catch((error: unknown) => {
    // It has answered, so it does no more: it is started again, whatever it was that it could not do.
    if (error instanceof AgentCommandFailed) return { clean: false, position: '', tookMs: 0 };
    throw error;
  });
  return { ...demotion, endedAt: Date.now() };
}

type Outcome = { promoted: true; writeGapMs: number } | { promoted: false; reason: string };

async function promote(context: StepContext, { fromId, toId }: Handed, stopped: Stopped): Promise<Outcome> {
  if (!stopped.clean) {
    return { promoted: false, reason: `${instanceOf(context, fromId).name} did not stop in order in time.` };
  }
  const outcome = await answered(
    context,
    toId,
    promotionOf(context).promote(context, instanceOf(context, toId), stopped),
  );
  if (!outcome.promoted) return outcome;
  return { promoted: true, writeGapMs: Math.max(0, Date.now() - stopped.endedAt + stopped.tookMs) };
}

/** Starts the target's agent anew if there is no answer: once, since only a hang is mended by it. */
async function answered(
  context: StepContext,
  instanceId: string,
  answer: Promise<PromotionOutcome>,
): Promise<PromotionOutcome> {
  const timer = setTimeout(() => {
    const target = { clusterId: context.cluster.id, instanceId };
    context.provider
      .stopInstance(target)
      .then(() => context.provider.startInstance(target))
      .catch(() => context.waitingFor('an instance that does not answer and cannot be restarted'));
  }, answersWithinMs);
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
  }
}

async function giveBack(context: StepContext, { fromId, toId }: Handed, reason: string): Promise<never> {
  const move = { from: instanceOf(context, fromId), to: instanceOf(context, toId) };
  await wantAsPrimary(context, fromId);
  await promotionOf(context).giveBack(context, move);
  await context.until(`${move.from.name} to report that it is the primary again`, ({ instances }) =>
    instances.some(({ id, observation }) => id === fromId && observation?.serving === true),
  );
  await context.setActivity([move.to], 'NONE');
  throw new StepFailure('WRITES_GIVEN_BACK', `${reason} ${move.from.name} is the primary as before; nothing was lost.`);
}
