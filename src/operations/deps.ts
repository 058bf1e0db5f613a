import type { BackupStore } from '#backups/backupStore.ts';
import type { StorePlace } from '#backups/storeSettings.ts';
import type { Silence } from '#domain/instanceStatus.ts';
import type { QuotaLimits } from '#domain/quota.ts';
import type { Engine, SendCommand } from '#engines/engine.ts';
import type { Bus } from '#events/bus.ts';
import type { Jobs } from '#jobs/jobs.ts';
import type { Logger } from '#lib/log/logger.ts';
import type { SecretBox } from '#lib/secrets/secretBox.ts';
import type { Clock } from '#lib/time/clock.ts';
import type { Provider } from '#providers/provider.ts';
import type { Database } from '#store/database.ts';

/** The wire to the agents, as operations use it: commands of one step, recorded, so that a worker that resumes runs none twice. */
export type AgentChannel = {
  sendTo(step: {
    operationId: string;
    stepKey: string;
    signal: AbortSignal;
    onProgress?: (what: string | null) => void;
  }): SendCommand;
};

/** What operations are built of. A function asks for the fields that it uses. */
export type OperationDeps = {
  db: Database;
  bus: Bus;
  clock: Clock;
  logger: Logger;
  jobs: Jobs;
  engines: Readonly<Record<string, Engine>>;
  providers: Readonly<Record<string, Provider>>;
  /** The provider that new clusters get. */
  defaultProvider: string;
  agents: AgentChannel;
  /** Where backups are kept: to look into, and as agents are told. */
  backups: { store: BackupStore; place: StorePlace };
  secrets: SecretBox;
  silence: () => Silence;
  /** What a project may have where it has no limit of its own. */
  quotaDefaults: QuotaLimits;
  /** This process, as the operations that it runs name it. */
  workerId: string;
  /** Networks (CIDR) that are not public and that webhooks may reach all the same. */
  webhookNetworks: readonly string[];
  timing: OperationTiming;
};

export type OperationTiming = {
  /** How long a step may go on after the operation was asked to stop, in milliseconds. */
  cancelGraceMs: number;
  /** The first pause before a step is tried again, in milliseconds; each further one is twice as long. */
  stepRetryMs: number;
  /** How often a step is tried in one run of its operation. */
  stepAttempts: number;
  /** An agent that everybody waits for and that has not answered for this long is started anew, in milliseconds. */
  agentHangsMs: number;
  /** When it is no longer waited for, in milliseconds from the same moment. */
  agentSilentMs: number;
};
