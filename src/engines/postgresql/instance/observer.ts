import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import type { Observation, ReplicationObservation } from '#domain/observation.ts';
import { systemFault } from '#lib/faults/systemFault.ts';
import { withoutPaths } from '#lib/faults/withoutPaths.ts';
import { boundServerLog } from '../../serverLog.ts';
import type { LastPosition, PostgresObservation } from '../observation.ts';
import { databaseSizeQuery, type ObservationRow, observationQuery } from './observationQuery.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';
import { storageUsage } from './storageUsage.ts';

const answerMs = 1500;
const slowFactsMs = 30_000;
const databaseSizeMs = 60_000;
const soonMs = 200;
/** A large data directory takes long to measure: that must stay a small part of the time. */
const slowFactsShare = 100;

/** Looks at one server through a session that it keeps. */
export class Observer {
  readonly #instance: PostgresqlInstance;
  #session: Client | null = null;
  #looking: Promise<Observation> | null = null;
  #slowFacts: { storageUsedBytes: number | null; databaseSizeBytes: number | null } = {
    storageUsedBytes: null,
    databaseSizeBytes: null,
  };
  #slowFactsDueAt = 0;
  #last: LastPosition | null = null;
  #closed = false;

  constructor(instance: PostgresqlInstance) {
    this.#instance = instance;
  }

  /** Never throws: what cannot be seen is null. */
  observe(): Promise<Observation> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  close(): void {
    this.#closed = true;
    this.#dropSession();
  }

  async #look(): Promise<Observation> {
    const { supervisor } = this.#instance;
    if (supervisor.pid === null) return this.#notServing(supervisor.reason);
    // While it starts, every session would be refused.
    if (supervisor.reason !== null) return this.#notServing(supervisor.reason);
    try {
      const row = await this.#askTwice();
      // What is measured soon is part of this observation already.
      await Promise.race([this.#refreshSlowFacts(), delay(soonMs, undefined, { ref: false })]);
      return await this.#serving(row);
    } catch (error) {
      return this.#notServing(supervisor.reason ?? `The server does not answer: ${wordsOf(error)}`);
    }
  }

  /** One answer that is slow, or a session that was lost, is no sign of a server that is down while its process runs. */
  async #askTwice(): Promise<ObservationRow> {
    try {
      return await this.#ask();
    } catch (error) {
      if (this.#instance.supervisor.pid === null) throw error;
      return await this.#ask();
    }
  }

  async #ask(): Promise<ObservationRow> {
    try {
      this.#session ??= await this.#openSession();
      // Named, so that the server plans it once a session.
      const { rows } = await this.#session.query<ObservationRow>({ name: 'observation', text: observationQuery });
      const [row] = rows;
      if (!row) throw new Error('It answered with nothing.');
      return row;
    } catch (error) {
      this.#dropSession();
      throw error;
    }
  }

  async #openSession(): Promise<Client> {
    const session = await this.#instance.adminClient({ connectionTimeoutMillis: answerMs, query_timeout: answerMs });
    session.once('end', () => {
      if (this.#session === session) this.#session = null;
    });
    return session;
  }

  #dropSession(): void {
    const session = this.#session;
    this.#session = null;
    session?.end().catch(() => {});
  }

  async #serving(row: ObservationRow): Promise<Observation> {
    const { upstream } = await this.#instance.state();
    if (row.timeline !== null && row.current_lsn !== null)
      this.#last = { timeline: row.timeline, lsn: row.current_lsn, inRecovery: row.in_recovery };
    return {
      at: new Date().toISOString(),
      serving: true,
      reason: null,
      role: row.in_recovery ? 'REPLICA' : 'PRIMARY',
      stopped: false,
      startedAt: row.started_at.toISOString(),
      connections: row.connections,
      storageUsedBytes: this.#slowFacts.storageUsedBytes,
      replication: row.in_recovery ? replicationOf(row, upstream) : null,
      followerStates: row.replicas.map(({ state }) => state),
      lastPosition: this.#last,
      engine: this.#engineFacts(row),
    };
  }

  #engineFacts(row: ObservationRow): PostgresObservation {
    return {
      version: row.version.split(' ')[0] ?? row.version,
      inRecovery: row.in_recovery,
      timeline: row.timeline,
      currentLsn: row.current_lsn,
      receivedLsn: row.received_lsn,
      replayedLsn: row.replayed_lsn,
      databaseSizeBytes: this.#slowFacts.databaseSizeBytes,
      maxConnections: row.max_connections,
      systemIdentifier: row.system_identifier,
      replicas: row.replicas,
      slots: row.slots,
    };
  }

  async #notServing(reason: string | null): Promise<Observation> {
    const { wanted } = await this.#instance.state();
    const stopped = wanted === 'stopped';
    return {
      at: new Date().toISOString(),
      serving: false,
      reason: reason ?? (wanted === 'none' ? 'There is no database yet.' : 'The server is not running.'),
      role: await this.#roleOnDisk(),
      stopped,
      startedAt: null,
      connections: null,
      storageUsedBytes: this.#slowFacts.storageUsedBytes,
      replication: null,
      followerStates: [],
      // What it had when it was lost is what a successor must not lack.
      lastPosition: this.#last,
      engine: {},
    };
  }

  async #roleOnDisk(): Promise<Observation['role']> {
    if (!(await this.#instance.exists())) return null;
    return (await this.#instance.isStandby()) ? 'REPLICA' : 'PRIMARY';
  }

  async #refreshSlowFacts(): Promise<void> {
    const begin = performance.now();
    if (begin < this.#slowFactsDueAt || this.#closed) return;
    this.#slowFactsDueAt = Number.POSITIVE_INFINITY;
    await Promise.all([this.#measureDatabases(), this.#measureStorage()]);
    const end = performance.now();
    this.#slowFactsDueAt = end + Math.max(slowFactsMs, (end - begin) * slowFactsShare);
  }

  /** In a session of its own, since large databases take longer to measure than an observation may take. */
  async #measureDatabases(): Promise<void> {
    try {
      const { rows } = await this.#instance.withAdmin(
        (session) => session.query<{ bytes: number | null }>(databaseSizeQuery),
        { statement_timeout: databaseSizeMs, query_timeout: databaseSizeMs + answerMs },
      );
      this.#slowFacts.databaseSizeBytes = rows[0]?.bytes ?? null;
    } catch (error) {
      this.#instance.host.logger.warn({ err: error }, 'the databases could not be measured');
    }
  }

  async #measureStorage(): Promise<void> {
    const { layout, host } = this.#instance;
    try {
      this.#slowFacts.storageUsedBytes = await storageUsage(layout.data);
      await boundServerLog(layout.logFile);
    } catch (error) {
      host.logger.warn({ err: error }, 'the data directory could not be measured');
    }
  }
}

function wordsOf(error: unknown): string {
  return systemFault(error)?.message ?? withoutPaths(error instanceof Error ? error.message : String(error));
}

function replicationOf(row: ObservationRow, upstream: { host: string; port: number } | null): ReplicationObservation {
  return {
    upstream: row.receiver_upstream ?? (upstream === null ? null : `${upstream.host}:${upstream.port}`),
    state: row.receiver_status,
    lagBytes: row.lag_bytes,
    lagSeconds: row.lag_seconds,
    position: row.replayed_lsn,
  };
}
