import type { InstanceSize } from '#domain/facts.ts';
import { replicatorRole } from '../roles.ts';
import type { InstanceLayout } from './instanceLayout.ts';
import type { InstanceState } from './instanceState.ts';

/** What the settings are made of. */
export type SettingsInput = {
  name: string;
  address: string;
  port: number;
  size: InstanceSize;
  layout: InstanceLayout;
  upstream: InstanceState['upstream'];
  /** Names of the replicas of which one must have each commit before it is acknowledged. */
  synchronousStandbys: readonly string[];
  recovering: boolean;
};

/** Replicas and base backups of the largest group (16 instances) at the same time, and some to spare. */
const walSenders = 36;
const replicationSlots = 24;

/** The text of postgresql.conf. */
export function serverSettings(input: SettingsInput): string {
  const settings = {
    ...placeSettings(input),
    ...sizeSettings(input.size),
    ...replicationSettings(input.size),
    ...upstreamSettings(input),
    ...synchronousSettings(input),
    ...(input.recovering ? recoverySettings : {}),
    ...loggingSettings,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${quote(value)}`);
  return ['# Written by Grove at each start. Changes made here are lost.', ...lines, ''].join('\n');
}

function placeSettings({ name, address, port, layout }: SettingsInput): Record<string, string> {
  return {
    listen_addresses: address,
    port: String(port),
    unix_socket_directories: '',
    cluster_name: name,
    hba_file: layout.hbaFile,
    ident_file: layout.identFile,
    password_encryption: 'scram-sha-256',
    timezone: 'UTC',
    log_timezone: 'UTC',
  };
}

function sizeSettings({ cpuMillis, memoryMiB, storageGiB }: InstanceSize): Record<string, string> {
  const cores = Math.max(1, Math.ceil(cpuMillis / 1000));
  const connections = clamp(memoryMiB / 8, 50, 500);
  return {
    max_connections: String(connections),
    superuser_reserved_connections: '6',
    shared_buffers: mebibytes(clamp(memoryMiB / 4, 16, 65_536)),
    effective_cache_size: mebibytes(clamp((memoryMiB * 3) / 4, 64, 1_048_576)),
    maintenance_work_mem: mebibytes(clamp(memoryMiB / 16, 16, 2048)),
    work_mem: mebibytes(clamp(memoryMiB / 4 / connections, 1, 256)),
    // A standby refuses to start with fewer than its primary has: equal sizes make equal numbers.
    max_worker_processes: String(Math.max(8, cores * 2)),
    max_parallel_workers: String(cores),
    max_parallel_workers_per_gather: String(clamp(cores / 2, 0, 8)),
    max_wal_size: mebibytes(clamp(storageGiB * 100, 256, 16_384)),
    min_wal_size: mebibytes(clamp(storageGiB * 16, 80, 2048)),
  };
}

function replicationSettings({ storageGiB }: InstanceSize): Record<string, string> {
  return {
    wal_level: 'replica',
    hot_standby: 'on',
    hot_standby_feedback: 'on',
    wal_log_hints: 'on',
    max_wal_senders: String(walSenders),
    max_replication_slots: String(replicationSlots),
    wal_keep_size: mebibytes(clamp(storageGiB * 16, 64, 1024)),
    // A replica that is away for long is cloned again; it must not fill its primary's disk.
    max_slot_wal_keep_size: mebibytes(clamp(storageGiB * 256, 512, 262_144)),
    wal_sender_timeout: '10s',
    wal_receiver_timeout: '10s',
    wal_receiver_status_interval: '1s',
    wal_retrieve_retry_interval: '500ms',
  };
}

function upstreamSettings({ name, upstream, layout }: SettingsInput): Record<string, string> {
  if (upstream === null) return {};
  // The password is in a file: this setting can be read by every member of pg_monitor.
  const connection = {
    host: upstream.host,
    port: String(upstream.port),
    user: replicatorRole,
    passfile: layout.passwordFile,
    application_name: name,
    connect_timeout: '5',
  };
  return {
    primary_conninfo: Object.entries(connection)
      .map(([key, value]) => `${key}=${quoteConnectionValue(value)}`)
      .join(' '),
    primary_slot_name: upstream.slotName,
    recovery_target_timeline: 'latest',
  };
}

function synchronousSettings({ synchronousStandbys }: SettingsInput): Record<string, string> {
  if (synchronousStandbys.length === 0) return {};
  return { synchronous_standby_names: synchronousStandbyNames(synchronousStandbys) };
}

/** One of these replicas, whichever is first. Empty without a name: every commit would wait for ever. */
export function synchronousStandbyNames(names: readonly string[]): string {
  if (names.length === 0) return '';
  return `ANY 1 (${names.map((name) => `"${name.replaceAll('"', '""')}"`).join(', ')})`;
}

/**
 * All WAL that it needs lies in pg_wal. With hot_standby off it may have fewer connections than the server that was backed up, and it
 * says that it is ready only when it is no standby any more.
 */
const recoverySettings: Record<string, string> = { restore_command: 'false', hot_standby: 'off' };

const loggingSettings: Record<string, string> = {
  log_destination: 'stderr',
  logging_collector: 'off',
  log_line_prefix: '%m [%p] %q%u@%d/%a ',
  log_checkpoints: 'on',
  log_lock_waits: 'on',
  log_temp_files: '64MB',
  log_statement: 'none',
  log_parameter_max_length_on_error: '0',
};

function quote(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

/** As in libpq's connection strings. */
function quoteConnectionValue(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function clamp(value: number, least: number, most: number): number {
  return Math.floor(Math.min(Math.max(value, least), most));
}

function mebibytes(count: number): string {
  return `${count}MB`;
}
