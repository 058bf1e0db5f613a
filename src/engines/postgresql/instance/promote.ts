import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { type CommandCall, CommandFailure } from '../../instanceSide.ts';
import type { PostgresqlCommands } from '../commands.ts';
import { readPosition } from './position.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';

type Promote = PostgresqlCommands['promote'];

/** Each look delays the first write that is possible again. */
const pollMs = 4;
const endOfRecoveryMs = 60_000;

/**
 * Makes a replica the primary. The state loses its upstream just before the server is told: as long as it has one, nothing was
 * promoted, and a failure says so (NOT_PROMOTED). A run that finds none goes on.
 */
export async function promote(
  instance: PostgresqlInstance,
  input: Promote['input'],
  call: CommandCall,
): Promise<Promote['result']> {
  await instance.assertInitialized();
  const begin = performance.now();
  try {
    await instance.ensureServing(call);
    return await instance.withAdmin(async (client) => {
      await becomePrimary(client, instance, { ...input, call });
      const { timeline, history, replayedLsn } = await readPosition(instance, client);
      return {
        timeline,
        forkLsn: history.at(-1)?.endLsn ?? replayedLsn,
        tookMs: Math.round(performance.now() - begin),
      };
    });
  } catch (error) {
    if ((await instance.state()).upstream === null || call.signal.aborted) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandFailure('NOT_PROMOTED', `${instance.host.name} was not promoted: ${why}`, { cause: error });
  }
}

async function becomePrimary(
  client: Client,
  instance: PostgresqlInstance,
  { after, withinMs, call }: Promote['input'] & { call: CommandCall },
): Promise<void> {
  if (!(await isInRecovery(client))) return await leavesItsUpstream(instance);
  if ((await instance.state()).upstream !== null && after !== null) await replays(client, { after, withinMs, call });
  await leavesItsUpstream(instance);
  call.progress('promoting');
  // Without waiting: PostgreSQL itself would look only every 100 ms.
  await client.query('SELECT pg_promote(false)');
  const deadline = performance.now() + endOfRecoveryMs;
  while (await isInRecovery(client)) {
    if (performance.now() > deadline) {
      throw new CommandFailure(
        'PROMOTION_UNFINISHED',
        `${instance.host.name} was told to become the primary and has not yet.`,
        {
          retryable: true,
        },
      );
    }
    await delay(pollMs, undefined, { signal: call.signal });
  }
}

async function leavesItsUpstream(instance: PostgresqlInstance): Promise<void> {
  const { upstream, promotions = [] } = await instance.state();
  if (upstream !== null) await instance.changeState({ upstream: null, promotions: [...promotions, randomUUID()] });
}

/** Returns once what begins at `after` is replayed: no record ends behind the beginning of the next one. */
async function replays(
  client: Client,
  { after, withinMs, call }: { after: string; withinMs: number; call: CommandCall },
): Promise<void> {
  const deadline = performance.now() + withinMs;
  call.progress('replaying the last writes');
  for (;;) {
    const { rows } = await client.query<{ lsn: string; reached: boolean }>({
      name: 'replayed',
      text: 'SELECT lsn::text, lsn > $1::pg_lsn AS reached FROM pg_last_wal_replay_lsn() AS lsn',
      values: [after],
    });
    if (rows[0]?.reached) return;
    if (performance.now() > deadline) {
      throw new CommandFailure(
        'BEHIND',
        `it has replayed ${rows[0]?.lsn}, and its primary's last checkpoint is at ${after}.`,
      );
    }
    await delay(pollMs, undefined, { signal: call.signal });
  }
}

async function isInRecovery(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ recovers: boolean }>('SELECT pg_is_in_recovery() AS recovers');
  return rows[0]?.recovers !== false;
}
