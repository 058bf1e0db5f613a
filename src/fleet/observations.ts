import type { Observation } from '#domain/observation.ts';
import type { Bus } from '#events/bus.ts';
import { Prisma } from '#generated/prisma/client.ts';
import type { InstanceStatus } from '#generated/prisma/enums.ts';
import type { Logger } from '#lib/log/logger.ts';
import type { Clock } from '#lib/time/clock.ts';
import type { Database } from '#store/database.ts';
import { type ChangeNotices, createChangeNotices } from './changeNotices.ts';
import { parseObservation } from './parseObservation.ts';
import type { AgentIdentity } from './signInAgent.ts';

/** The store is written at most this often, in milliseconds. */
const writeIntervalMs = 50;

/** A row that somebody holds is tried this often; after that the agent's next report has replaced this one anyway. */
const maxAttempts = 10;

export type ObservationIntake = {
  /** Takes what an agent reports. The newest report of an instance counts. */
  report(agent: AgentIdentity, observation: unknown): void;
  /** The agent has gone: its next report counts as a change. */
  forget(instanceId: string): void;
  /** Writes what has come in, and waits for the notices. */
  close(): Promise<void>;
};

export type ObservationIntakeDeps = {
  db: Database;
  bus: Bus;
  clock: Clock;
  logger: Logger;
  /** Called after the write when an instance's state differs from the last one known here. One call a cluster at a time. */
  onInstanceChanged(clusterId: string): Promise<void>;
};

type Report = AgentIdentity & { observation: Observation; observedAt: Date; attempts: number };
type WrittenInstance = { id: string; status: InstanceStatus };

/** Writes the agents' observations, all instances in one statement, and says when a cluster is worth a new judgement. */
export function createObservationIntake(deps: ObservationIntakeDeps): ObservationIntake {
  return new Intake(deps);
}

class Intake implements ObservationIntake {
  readonly #deps: ObservationIntakeDeps;
  readonly #notices: ChangeNotices;
  readonly #waiting = new Map<string, Report>();
  readonly #warned = new Set<string>();
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> | null = null;
  #lastWriteAt = 0;
  #closed = false;

  constructor(deps: ObservationIntakeDeps) {
    this.#deps = deps;
    this.#notices = createChangeNotices(deps);
  }

  report(agent: AgentIdentity, raw: unknown): void {
    const observedAt = this.#deps.clock.now();
    const parsed = parseObservation(raw, observedAt);
    for (const fault of parsed?.faults ?? ['observation']) this.#warnOnce(agent.instanceId, fault);
    if (parsed === null) return;
    this.#waiting.set(agent.instanceId, { ...agent, observation: parsed.observation, observedAt, attempts: 0 });
    this.#schedule();
  }

  forget(instanceId: string): void {
    this.#notices.forget(instanceId);
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#writing;
    await this.#write();
    await this.#notices.close();
  }

  #schedule(): void {
    if (this.#timer !== null || this.#writing !== null || this.#waiting.size === 0 || this.#closed) return;
    const rest = Math.max(0, this.#lastWriteAt + writeIntervalMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#writing = this.#write().finally(() => {
        this.#writing = null;
        this.#schedule();
      });
    }, rest);
  }

  async #write(): Promise<void> {
    this.#lastWriteAt = performance.now();
    const reports = [...this.#waiting.values()];
    this.#waiting.clear();
    let written: WrittenInstance[] = [];
    try {
      if (reports.length > 0) written = await writeObservations(this.#deps.db, reports);
    } catch (error) {
      this.#deps.logger.warn({ err: error, instances: reports.length }, 'could not write observations; trying again');
    }
    const statuses = new Map(written.map(({ id, status }) => [id, status]));
    for (const report of reports) {
      const status = statuses.get(report.instanceId);
      if (status === undefined) this.#keepForNextWrite(report);
      else this.#settle(report, status);
    }
  }

  #keepForNextWrite(report: Report): void {
    if (this.#waiting.has(report.instanceId) || report.attempts + 1 >= maxAttempts) return;
    this.#waiting.set(report.instanceId, { ...report, attempts: report.attempts + 1 });
  }

  #settle(report: Report, status: InstanceStatus): void {
    this.#deps.bus.publish(`instance:${report.instanceId}`);
    this.#notices.observed(report, { force: status === 'UNREACHABLE' });
  }

  #warnOnce(instanceId: string, fault: string): void {
    const key = `${instanceId} ${fault}`;
    if (this.#warned.has(key)) return;
    this.#warned.add(key);
    this.#deps.logger.warn(
      { instanceId, field: fault },
      'an agent reports something that is not as agreed; it is left out',
    );
  }
}

/**
 * Rows that a transaction holds are passed over, never waited for: so this statement can neither stall nor deadlock. The role
 * is not written here: it changes with its event, in `onInstanceChanged`. An agent that began anew has not seen its server answer, and
 * where that was stays known: a failover goes by it.
 */
function writeObservations(db: Database, reports: readonly Report[]): Promise<WrittenInstance[]> {
  const rows = reports.map(({ instanceId, observation, observedAt }) => ({
    instance_id: instanceId,
    observed_at: observedAt.toISOString(),
    serving: observation.serving,
    observation,
  }));
  return db.$queryRaw<WrittenInstance[]>(Prisma.sql`
    WITH report AS (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
        AS r(instance_id uuid, observed_at timestamptz, serving boolean, observation jsonb)
    ), free AS (
      SELECT id FROM instance
      WHERE id IN (SELECT instance_id FROM report) AND removed_at IS NULL
      FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE instance SET serving = report.serving, observed_at = report.observed_at,
           observation = report.observation || jsonb_build_object('lastPosition',
             coalesce(nullif(report.observation -> 'lastPosition', 'null'), instance.observation -> 'lastPosition')),
           agent_lost_at = CASE WHEN instance.agent_lost_at > report.observed_at THEN instance.agent_lost_at END
    FROM report JOIN free ON free.id = report.instance_id
    WHERE instance.id = free.id AND (instance.observed_at IS NULL OR instance.observed_at <= report.observed_at)
    RETURNING instance.id, instance.status::text AS status`);
}
