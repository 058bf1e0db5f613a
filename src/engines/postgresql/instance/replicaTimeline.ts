/**
 * The newest timeline that a replica has WAL of: its receiver's; where it has none, since its primary is gone, that of its newest WAL
 * file. Its last checkpoint may still be of the timeline before. An expression over `receiver`, a row of pg_stat_wal_receiver or nothing.
 */
export const replicaTimeline = `coalesce(receiver.received_tli, greatest(
  (SELECT max(('x' || substr(name, 1, 8))::bit(32)::int) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'),
  (SELECT timeline_id FROM pg_control_checkpoint())))`;
