import { adminRole } from '../roles.ts';
import { replicaTimeline } from './replicaTimeline.ts';

/** One row of what a server tells of itself. Numbers are float8, since node-postgres gives bigint as text. */
export type ObservationRow = {
  in_recovery: boolean;
  version: string;
  max_connections: number;
  started_at: Date;
  system_identifier: string;
  timeline: number | null;
  current_lsn: string | null;
  received_lsn: string | null;
  replayed_lsn: string | null;
  connections: number;
  receiver_status: string | null;
  receiver_upstream: string | null;
  lag_bytes: number | null;
  lag_seconds: number | null;
  replicas: { applicationName: string; state: string; lagBytes: number | null; syncState: string }[];
  slots: { name: string; active: boolean; walStatus: string | null; retainedBytes: number | null }[];
};

export const observationQuery = `
  SELECT
    self.in_recovery,
    current_setting('server_version') AS version,
    current_setting('max_connections')::int AS max_connections,
    pg_postmaster_start_time() AS started_at,
    (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
    CASE WHEN self.in_recovery
      THEN ${replicaTimeline}
      ELSE ('x' || substr(pg_walfile_name(self.lsn), 1, 8))::bit(32)::int
    END AS timeline,
    self.lsn::text AS current_lsn,
    CASE WHEN self.in_recovery THEN pg_last_wal_receive_lsn()::text END AS received_lsn,
    CASE WHEN self.in_recovery THEN self.lsn::text END AS replayed_lsn,
    (SELECT count(*)::int FROM pg_stat_activity
      WHERE backend_type = 'client backend' AND usename <> '${adminRole}') AS connections,
    receiver.status AS receiver_status,
    receiver.sender_host || ':' || receiver.sender_port AS receiver_upstream,
    CASE WHEN self.in_recovery THEN greatest(
      pg_wal_lsn_diff(greatest(receiver.latest_end_lsn, pg_last_wal_receive_lsn()), self.lsn), 0)::float8
    END AS lag_bytes,
    CASE
      WHEN NOT self.in_recovery THEN NULL
      WHEN pg_last_wal_receive_lsn() = self.lsn THEN 0
      ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
    END::float8 AS lag_seconds,
    (SELECT coalesce(json_agg(json_build_object(
        'applicationName', application_name, 'state', state, 'syncState', sync_state,
        'lagBytes', pg_wal_lsn_diff(self.lsn, replay_lsn)::float8) ORDER BY application_name), '[]')
      FROM pg_stat_replication WHERE state <> 'backup') AS replicas,
    (SELECT coalesce(json_agg(json_build_object(
        'name', slot_name, 'active', active, 'walStatus', wal_status,
        'retainedBytes', pg_wal_lsn_diff(self.lsn, restart_lsn)::float8) ORDER BY slot_name), '[]')
      FROM pg_replication_slots) AS slots
  FROM (
    SELECT in_recovery, CASE WHEN in_recovery THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn
    FROM (SELECT pg_is_in_recovery() AS in_recovery OFFSET 0) AS recovery OFFSET 0
  ) AS self
  LEFT JOIN pg_stat_wal_receiver AS receiver ON true`;

export const databaseSizeQuery = `
  SELECT sum(pg_database_size(oid))::float8 AS bytes FROM pg_database WHERE NOT datistemplate`;
