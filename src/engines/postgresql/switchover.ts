import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { isFormerPrimary, wantedPrimary } from '#domain/promotion.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import {
  AgentCommandFailed,
  AgentSilent,
  type Demotion,
  type Election,
  type EngineContext,
  type Move,
  type Promotion,
  type PromotionOutcome,
  type PromotionRequest,
  type Rejoined,
} from '../engine.ts';
import { synchronousNames } from './applySynchronous.ts';
import type { PostgresqlCommands } from './commands.ts';
import { accessOf, addressOf } from './group.ts';
import { lsnDifference } from './lsn.ts';
import { primaryOf } from './primaryOf.ts';
import {
  acknowledging,
  electable,
  lastPosition,
  promoteBlockers,
  promotionCandidates,
  type Standing,
  stray,
  unseenReplicas,
} from './promotion.ts';
import { slotName } from './slotName.ts';

/** How near the target must be before the primary is stopped: this much is replayed in a blink. */
const nearBytes = 1024 * 1024;
const orderlyStopMs = 10_000;
const lastReplayMs = 10_000;
const answerMs = 5_000;

export const promotion: Promotion = {
  blockers: promoteBlockers,
  candidates: promotionCandidates,
  unseen: unseenReplicas,
  prepare,
  makeReady,
  demote,
  promote,
  giveBack,
  elect: electAmongReplicas,
  resume,
  stray,
  rejoin,
};

async function prepare({ send }: EngineContext, { from, to }: Move): Promise<void> {
  const nothing = { slotNames: [], synchronousStandbys: [] };
  await send<PostgresqlCommands, 'prepareTakeover'>(to, 'prepareTakeover', { ...nothing, withinBytes: nearBytes });
  await send<PostgresqlCommands, 'checkpoint'>(from, 'checkpoint', {});
}

/** WAL is held back for those that will follow the target, and it knows whom to wait for. */
async function makeReady({ cluster, send }: EngineContext, target: InstanceFacts): Promise<void> {
  const others = cluster.instances.filter(({ id }) => id !== target.id);
  await send<PostgresqlCommands, 'prepareTakeover'>(target, 'prepareTakeover', {
    slotNames: others.map(({ id }) => slotName(id)),
    synchronousStandbys: synchronousNames(cluster, target.id),
    withinBytes: null,
  });
}

async function demote({ send }: EngineContext, primary: InstanceFacts): Promise<Demotion> {
  const input = { withinMs: orderlyStopMs };
  const { clean, lsn: position, tookMs } = await send<PostgresqlCommands, 'demote'>(primary, 'demote', input);
  return { clean, position, tookMs };
}

async function promote(
  context: EngineContext,
  target: InstanceFacts,
  after: Demotion | null,
): Promise<PromotionOutcome> {
  if (after === null) await makeReady(context, target);
  try {
    const { tookMs } = await context.send<PostgresqlCommands, 'promote'>(target, 'promote', {
      after: after?.position ?? null,
      withinMs: lastReplayMs,
    });
    return { promoted: true, tookMs };
  } catch (error) {
    if (error instanceof AgentCommandFailed && error.code === 'NOT_PROMOTED') {
      return { promoted: false, reason: error.message };
    }
    throw error;
  }
}

async function giveBack({ send }: EngineContext, { from, to }: Move): Promise<void> {
  await send<PostgresqlCommands, 'start'>(from, 'start', {});
  await send<PostgresqlCommands, 'abandonTakeover'>(to, 'abandonTakeover', {}, { withinMs: answerMs }).catch(
    (error: unknown) => {
      // Its slots hold back WAL until it follows somebody again; the writes are what counts.
      if (!(error instanceof StepFailure)) throw error;
    },
  );
}

async function resume({ send }: EngineContext, instance: InstanceFacts): Promise<void> {
  await send<PostgresqlCommands, 'start'>(instance, 'start', {});
}

type Choice = Pick<PromotionRequest, 'target' | 'maxLagBytes' | 'acceptDataLoss'>;

async function electAmongReplicas(context: EngineContext, choice: Choice): Promise<Election> {
  const { cluster } = context;
  const lost = wantedPrimary(cluster);
  const { target } = choice;
  if (target !== null && isFormerPrimary(cluster, target)) {
    return { instanceId: target.id, lossBytes: lossOf(lost, lastPosition(target)), resumes: true };
  }
  // Those whose word the request was granted on; a former primary has acknowledged nothing since.
  const replicas = acknowledging(cluster);
  const reachable = replicas.filter(({ id }) => id !== lost?.id);
  const answers = await Promise.all(reachable.map((replica) => ask(context, replica)));
  const standings = answers.flatMap((answer) => answer ?? []);
  const silent = replicas.filter(({ id }) => !standings.some(({ instanceId }) => instanceId === id));
  if (cluster.synchronous && !choice.acceptDataLoss && silent.length > 0) {
    const names = silent.map(({ name }) => name).join(', ');
    return {
      instanceId: null,
      reason: `${names} did not tell what it has, and may have acknowledged writes that no other replica has.`,
    };
  }
  const chosen = choose(cluster, standings, choice);
  if (typeof chosen === 'string') return { instanceId: null, reason: chosen };
  const lossBytes = lossOf(lost, chosen);
  if (lossBytes === null && !choice.acceptDataLoss) {
    return { instanceId: null, reason: `It is not known what ${chosen.name} lacks of what the lost primary had.` };
  }
  if ((lossBytes ?? 0) > choice.maxLagBytes) {
    return {
      instanceId: null,
      reason: `${chosen.name} lacks ${lossBytes} bytes; at most ${choice.maxLagBytes} are allowed.`,
    };
  }
  return { instanceId: chosen.instanceId, lossBytes, resumes: false };
}

/** Why not, or who: a wanted one must be of the newest timeline, and in a synchronous cluster have as much as any. */
function choose(cluster: ClusterFacts, standings: Standing[], { target, acceptDataLoss }: Choice): Standing | string {
  const { name, synchronous } = cluster;
  const primary = wantedPrimary(cluster);
  const able = electable(standings, { lost: primary ? lastPosition(primary) : null, acceptDataLoss });
  const [best] = able;
  if (!best) return 'No replica that has followed the lost primary to its newest timeline answered.';
  if (target === null) return best;
  const wanted = able.find(({ instanceId }) => instanceId === target.id);
  if (!wanted) return `${target.name} did not answer, or stayed behind on an older timeline.`;
  if (!synchronous || acceptDataLoss || wanted.lsn === best.lsn) return wanted;
  return `${target.name} may lack acknowledged writes of the synchronous cluster "${name}" that ${best.name} has.`;
}

/** What the primary had when it last told, and the chosen one has not, in bytes. Null: one of them told nothing. */
function lossOf(lost: InstanceFacts | undefined, chosen: { lsn: string } | null): number | null {
  const last = lost === undefined ? null : lastPosition(lost);
  return last === null || chosen === null ? null : lsnDifference(last.lsn, chosen.lsn);
}

/** Null: it does not answer, is no replica, or does not know yet what it has. */
async function ask({ send }: EngineContext, replica: InstanceFacts): Promise<Standing | null> {
  try {
    const { inRecovery, timeline, lsn } = await send<PostgresqlCommands, 'position'>(
      replica,
      'position',
      {},
      { withinMs: answerMs },
    );
    return inRecovery && lsn !== null ? { instanceId: replica.id, name: replica.name, timeline, lsn } : null;
  } catch (error) {
    if (error instanceof AgentSilent || error instanceof AgentCommandFailed) return null;
    throw error;
  }
}

async function rejoin({ cluster, send }: EngineContext, instance: InstanceFacts): Promise<Rejoined> {
  const primary = primaryOf(cluster);
  const slot = slotName(instance.id);
  const { promotions } = await send<PostgresqlCommands, 'ensureSlots'>(primary, 'ensureSlots', { slotNames: [slot] });
  const { history, timeline } = await send<PostgresqlCommands, 'position'>(primary, 'position', {});
  const place = { primary: addressOf(primary), slotName: slot, access: accessOf(cluster), promotions };
  const into = { ...place, history, timeline };
  const followed = await send<PostgresqlCommands, 'follow'>(instance, 'follow', into);
  if (followed.attached) return { how: 'ATTACHED', discardedBytes: 0 };
  const discardedBytes = followed.divergedBytes;
  if (followed.reason === 'DIVERGED') {
    // pg_rewind before 16 reads the primary's timeline from its last checkpoint.
    await send<PostgresqlCommands, 'checkpoint'>(primary, 'checkpoint', {});
    if (await rewinds(send<PostgresqlCommands, 'rewind'>(instance, 'rewind', into)))
      return { how: 'REWOUND', discardedBytes };
  }
  await send<PostgresqlCommands, 'clone'>(instance, 'clone', { ...place, replace: true });
  return { how: 'COPIED', discardedBytes };
}

/** False: it did not, or what came of it cannot be used. A copy replaces it. */
async function rewinds(outcome: Promise<PostgresqlCommands['rewind']['result']>): Promise<boolean> {
  try {
    return (await outcome).rewound;
  } catch (error) {
    if (error instanceof AgentCommandFailed) return false;
    throw error;
  }
}
