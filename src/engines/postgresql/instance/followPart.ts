import { open, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseError } from 'pg';
import { withoutPaths } from '#lib/faults/withoutPaths.ts';
import { replaceFile } from '#lib/files/replaceFile.ts';
import { type CommandCall, CommandFailure } from '../../instanceSide.ts';
import type { PostgresqlCommands } from '../commands.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';
import { ensureRestored } from './restore.ts';

type FollowPart = PostgresqlCommands['followPart'];

const followsWithinMs = 30_000;
const pollMs = 50;
/** What a standby says, again and again, when it can never follow: PostgreSQL's xlogrecovery.c and walsender.c. */
const hopeless =
  /(?:new timeline \d+ forked off .*|requested WAL segment \S+ has already been removed|requested starting point .* is not in this server's history|ahead of the WAL flush position.*)/;

/** Makes an instance with the data of a part a replica, or leaves it without a server where these cannot catch up. */
export async function followPart(
  instance: PostgresqlInstance,
  { part, primary, slotName, access }: FollowPart['input'],
  call: CommandCall,
): Promise<FollowPart['result']> {
  const following = { wanted: 'running', upstream: { ...primary, slotName }, access, recovering: false } as const;
  const { wanted, upstream } = await instance.state();
  if (wanted === 'running' && upstream?.slotName === slotName && (await instance.exists())) {
    await instance.ensureServing(call);
    return { reason: null };
  }
  await ensureRestored(instance, part, call);
  await replaceFile(instance.layout.standbySignal, '', { owner: instance.host.serverUser });
  const logStart = (await stat(instance.layout.logFile).catch(() => null))?.size ?? 0;
  await instance.assumeState(following);
  call.progress('starting the server');
  const reason = await reasonNotToFollow(instance, logStart, call);
  instance.restoredPart = null;
  if (reason === null) {
    // Only now: see clone.ts.
    await instance.changeState(following);
    return { reason };
  }
  await instance.supervisor.stop();
  await instance.changeState({ wanted: 'none', upstream: null });
  return { reason };
}

async function reasonNotToFollow(
  instance: PostgresqlInstance,
  logStart: number,
  call: CommandCall,
): Promise<string | null> {
  try {
    await instance.ensureServing(call);
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    return error.message;
  }
  call.progress('waiting until it streams from the primary');
  const deadline = performance.now() + followsWithinMs;
  for (;;) {
    if (await streamsFromPrimary(instance)) return null;
    const said = hopeless.exec(await logSince(instance.layout.logFile, logStart))?.[0];
    if (said !== undefined) return withoutPaths(said);
    if (performance.now() > deadline) return `it did not stream within ${followsWithinMs / 1000} s`;
    // A standby announces nothing when its receiver begins.
    await delay(pollMs, undefined, { signal: call.signal });
  }
}

/** Grove's password works only once the replica has the primary's change of it, which was made behind the end of the backup. */
async function streamsFromPrimary(instance: PostgresqlInstance): Promise<boolean> {
  try {
    return await instance.withAdmin(async (client) => {
      const { rows } = await client.query<{ status: string }>('SELECT status FROM pg_stat_wal_receiver');
      return rows[0]?.status === 'streaming';
    });
  } catch (error) {
    if (error instanceof DatabaseError) return false;
    throw error;
  }
}

async function logSince(path: string, from: number): Promise<string> {
  const log = await open(path, 'r').catch(() => null);
  if (log === null) return '';
  try {
    const { size } = await log.stat();
    const bytes = Buffer.alloc(Math.max(0, Math.min(size - from, 256 * 1024)));
    await log.read(bytes, 0, bytes.length, from);
    return bytes.toString('utf8');
  } finally {
    await log.close();
  }
}
