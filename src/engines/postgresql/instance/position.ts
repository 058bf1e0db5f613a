import type { Client } from 'pg';
import type { CommandCall } from '../../instanceSide.ts';
import type { PostgresqlCommands, ServerPosition } from '../commands.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';
import { replicaTimeline } from './replicaTimeline.ts';
import { timelineHistory } from './timelineHistory.ts';

type PositionRow = Omit<ServerPosition, 'history'>;

/*
 * A standby asks for WAL once it has replayed all of its own, and from then on, also where its primary is gone,
 * pg_last_wal_receive_lsn() is the place that it asked from or more (RequestXLogStreaming in walreceiverfuncs.c). Before that it is
 * null, though sessions are let in, and what is on its disk may be far ahead of what is replayed.
 */
const positionQuery = `
  SELECT
    self.recovers AS "inRecovery",
    CASE WHEN self.recovers
      THEN ${replicaTimeline}
      ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
    END AS timeline,
    CASE
      WHEN NOT self.recovers THEN pg_current_wal_lsn()
      WHEN pg_last_wal_receive_lsn() IS NOT NULL THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
    END::text AS lsn,
    CASE WHEN self.recovers THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text AS "replayedLsn",
    CASE WHEN self.recovers THEN greatest(0, pg_wal_lsn_diff(
      greatest(receiver.latest_end_lsn, pg_last_wal_receive_lsn()), pg_last_wal_replay_lsn())) ELSE 0
    END::float8 AS "behindBytes",
    CASE WHEN receiver.status = 'streaming' THEN receiver.sender_host || ':' || receiver.sender_port END AS "streamsFrom"
  FROM (SELECT pg_is_in_recovery() AS recovers OFFSET 0) AS self
  LEFT JOIN pg_stat_wal_receiver AS receiver ON true`;

/** Where the running server stands. */
export async function position(
  instance: PostgresqlInstance,
  _input: object,
  call: CommandCall,
): Promise<ServerPosition> {
  await instance.assertInitialized();
  await instance.ensureServing(call);
  return instance.withAdmin((client) => readPosition(instance, client));
}

export async function readPosition({ layout }: PostgresqlInstance, client: Client): Promise<ServerPosition> {
  const row = await readStanding(client);
  return { ...row, history: await timelineHistory(layout.data, row.timeline).catch(() => []) };
}

/** As readPosition, without the history: for looks in quick succession. */
export async function readStanding(client: Client): Promise<PositionRow> {
  const { rows } = await client.query<PositionRow>({ name: 'position', text: positionQuery });
  const [row] = rows;
  if (!row) throw new Error('The server answered with nothing.');
  return row;
}

/** Writes what is only in memory, as fast as it can. */
export async function checkpoint(
  instance: PostgresqlInstance,
  _input: object,
  call: CommandCall,
): Promise<PostgresqlCommands['checkpoint']['result']> {
  await instance.assertInitialized();
  await instance.ensureServing(call);
  await instance.withAdmin((client) => client.query('CHECKPOINT'));
  return null;
}
