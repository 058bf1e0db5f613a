import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import type { CommandCall } from '../../instanceSide.ts';
import type { Followed, PostgresqlCommands } from '../commands.ts';
import { isBefore, lsnDifference } from '../lsn.ts';
import { readControlFile } from './controlFile.ts';
import { readStanding } from './position.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';
import { dropAllSlots } from './slots.ts';

type Follow = PostgresqlCommands['follow'];

const recoversWithinMs = 300_000;
const streamsWithinMs = 20_000;
const pollMs = 20;
/** Whoever has diverged still has after this pause: a receiver may just be between two timelines. */
const certainMs = 1000;

const attached: Followed = { attached: true, reason: null, divergedBytes: 0 };

/** Lets an instance follow the primary with the data that it has. Says so if that data has no place in the primary's history. */
export async function follow(
  instance: PostgresqlInstance,
  input: Follow['input'],
  call: CommandCall,
): Promise<Follow['result']> {
  if ((await instance.state()).wanted === 'none' || !(await instance.exists())) {
    return { attached: false, reason: 'NO_DATA', divergedBytes: null };
  }
  if (await isOfAnotherHistory(instance, input)) {
    return { attached: false, reason: 'OTHER_HISTORY', divergedBytes: null };
  }
  if (!(await instance.isStandby())) {
    await instance.supervisor.stop();
    const diverged = await divergenceOfStopped(instance, input);
    if (diverged !== null) return diverged;
    await instance.makeStandby();
  }
  await instance.changeState({
    wanted: 'running',
    upstream: { ...input.primary, slotName: input.slotName },
    access: input.access,
    synchronousStandbys: [],
    promotions: input.promotions,
    stoppingSince: null,
  });
  await instance.liftFence();
  await instance.writeConfiguration();
  if (!(await comesUp(instance, call))) return { attached: false, reason: 'NOT_STREAMING', divergedBytes: null };
  return instance.withAdmin(async (client) => {
    await client.query('SELECT pg_reload_conf()');
    call.progress('waiting until it streams from the primary');
    const outcome = await streams(client, input, call.signal);
    // Nobody follows a replica: what it has kept from its time as a primary would fill its disk.
    if (outcome.attached) await dropAllSlots(client, call.signal);
    return outcome;
  });
}

/** It, or the one that it followed, was promoted, and whoever it is to follow now does not come from that. */
async function isOfAnotherHistory(instance: PostgresqlInstance, leader: Follow['input']): Promise<boolean> {
  const { promotions = [] } = await instance.state();
  return promotions.some((token, index) => leader.promotions[index] !== token);
}

/** For a server that ended in order, its last checkpoint says all. Null: it has its place in the history, or cannot say yet. */
async function divergenceOfStopped(
  { layout }: PostgresqlInstance,
  { history, timeline }: Follow['input'],
): Promise<Followed | null> {
  const control = await readControlFile(layout.data);
  if (!control.shutDown || control.timeline === timeline) return null;
  const end = history.find((earlier) => earlier.timeline === control.timeline)?.endLsn;
  if (end === undefined) return { attached: false, reason: 'DIVERGED', divergedBytes: null };
  if (isBefore(control.checkpointLsn, end)) return null;
  return { attached: false, reason: 'DIVERGED', divergedBytes: lsnDifference(control.checkpointLsn, end) };
}

async function comesUp(instance: PostgresqlInstance, call: CommandCall): Promise<boolean> {
  const limit = AbortSignal.timeout(recoversWithinMs);
  try {
    await instance.ensureServing({ ...call, signal: AbortSignal.any([call.signal, limit]) });
    return true;
  } catch (error) {
    if (limit.aborted) return false;
    throw error;
  }
}

async function streams(client: Client, input: Follow['input'], signal: AbortSignal): Promise<Followed> {
  const upstream = `${input.primary.host}:${input.primary.port}`;
  const deadline = performance.now() + streamsWithinMs;
  let divergedSince: number | null = null;
  for (;;) {
    const standing = await readStanding(client);
    // On an older timeline it says nothing: a receiver begins at its segment's start, which one that has diverged may share.
    if (standing.streamsFrom === upstream && standing.timeline >= input.timeline) return attached;
    const divergedBytes = bytesBeyondFork(standing, input);
    const now = performance.now();
    divergedSince = divergedBytes === null ? null : (divergedSince ?? now);
    if (divergedSince !== null && now - divergedSince > certainMs)
      return { attached: false, reason: 'DIVERGED', divergedBytes };
    if (now > deadline) return { attached: false, reason: 'NOT_STREAMING', divergedBytes: null };
    // A standby announces nothing when its receiver begins.
    await delay(pollMs, undefined, { signal });
  }
}

/** How far it has replayed beyond the place where the primary's timeline left its own. Null: it has not. */
function bytesBeyondFork(
  { timeline, replayedLsn }: { timeline: number; replayedLsn: string },
  input: Follow['input'],
): number | null {
  if (timeline >= input.timeline) return null;
  const end = input.history.find((earlier) => earlier.timeline === timeline)?.endLsn;
  if (end === undefined || !isBefore(end, replayedLsn)) return null;
  return lsnDifference(replayedLsn, end);
}
