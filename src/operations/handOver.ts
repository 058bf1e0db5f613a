import { wantedPrimary } from '#domain/promotion.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import { AgentCommandFailed, AgentSilent, type Demotion, type Move } from '#engines/engine.ts';
import { answered, answeringWithin, askedOnce } from './answered.ts';
import type { RunContext, StepContext } from './operation.ts';
import type { PromoteInstanceInput } from './promotionInput.ts';
import {
  instanceOf,
  knownOutcome,
  type MoveRecord,
  type PromotionResult,
  promotionOf,
  promotionSteps,
  settleGroup,
  wantAsPrimary,
} from './promotionSteps.ts';

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
  await askedOnce(context, (patient) => promotion.prepare(patient, { from, to: instanceOf(context, elected) }));
  return { fromId: from.id, toId: elected };
}

async function stop(context: StepContext, { fromId, toId }: Handed): Promise<Stopped> {
  const promotion = promotionOf(context);
  const move = { from: instanceOf(context, fromId), to: instanceOf(context, toId) };
  await askedOnce(context, (patient) => promotion.makeReady(patient, move.to));
  await context.setActivity([move.to], 'PROMOTING');
  await wantAsPrimary(context, toId);
  const demotion = await answered(context, move.from, (patient) => promotion.demote(patient, move.from)).catch(
    (error: unknown) => {
      // Nothing is promoted yet, so whatever became of it, it takes writes again; if it cannot, it is what a failover is for.
      if (error instanceof AgentCommandFailed || error instanceof AgentSilent) return notStopped;
      throw error;
    },
  );
  return { ...demotion, endedAt: context.clock.now().getTime() };
}

const notStopped: Demotion = { clean: false, position: '', tookMs: 0 };

type Outcome = { promoted: true; writeGapMs: number } | { promoted: false; reason: string };

async function promote(context: StepContext, { fromId, toId }: Handed, stopped: Stopped): Promise<Outcome> {
  if (!stopped.clean) {
    return { promoted: false, reason: `${instanceOf(context, fromId).name} did not stop in order in time.` };
  }
  const to = instanceOf(context, toId);
  const outcome = await knownOutcome(
    to,
    answered(context, to, (patient) => promotionOf(context).promote(patient, to, stopped)),
  );
  if (!outcome.promoted) return outcome;
  const sinceEndMs = context.clock.now().getTime() - stopped.endedAt;
  return { promoted: true, writeGapMs: Math.max(0, sinceEndMs + stopped.tookMs) };
}

/** The old primary is wanted as the primary again before it is told. Where it does not answer the operation ends all the same, so that a failover can begin. */
async function giveBack(context: StepContext, { fromId, toId }: Handed, reason: string): Promise<never> {
  const move = { from: instanceOf(context, fromId), to: instanceOf(context, toId) };
  await wantAsPrimary(context, fromId);
  const hindrance = await takesWritesAgain(context, move);
  await context.setActivity([move.to], 'NONE');
  const { name } = move.from;
  if (hindrance === null) {
    throw new StepFailure('WRITES_GIVEN_BACK', `${reason} ${name} is the primary as before; nothing was lost.`);
  }
  const wayOut = `Bring ${name} back and retry this, or promote a replica with FAILOVER.`;
  throw new StepFailure(
    'WRITES_NOT_GIVEN_BACK',
    `${reason} ${name} was told to take writes again, and is not known to: ${hindrance} ${wayOut}`,
  );
}

/** Null: it does. */
async function takesWritesAgain(context: StepContext, move: Move): Promise<string | null> {
  const { agentSilentMs } = context.timing;
  const { id, name } = move.from;
  try {
    await promotionOf(context).giveBack(
      answeringWithin(context, () => agentSilentMs),
      move,
    );
  } catch (error) {
    if (!(error instanceof AgentCommandFailed || error instanceof AgentSilent)) throw error;
    return error.message;
  }
  const reported = await context.untilIn(
    agentSilentMs,
    `${name} to report that it is the primary again`,
    ({ instances }) => instances.some((instance) => instance.id === id && instance.observation?.serving === true),
  );
  return reported === null ? 'its agent reports nothing.' : null;
}
