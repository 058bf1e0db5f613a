import { fromPrisma, type Job, type JobWithMetadata, PgBoss } from 'pg-boss';
import type { Logger } from '#lib/log/logger.ts';
import { connectionOptions, type Transaction } from '#store/database.ts';

/** A job that runs (or goes on running) one operation. */
export type OperationJob = { operationId: string };

/** A job that takes the backup of a cluster that its policy asks for now. */
export type BackupJob = { clusterId: string };

/** When the backups of a cluster are taken: a cron expression, in UTC. */
export type BackupSchedule = { clusterId: string; schedule: string };

/** One attempt at a job. `last`: there is no other, even if it fails. */
export type Attempt = { jobId: string; last: boolean };

/** `urgent`: it does not wait for those that are not. */
export type QueuedOperation = { operationId: string; deadlineAt: Date; urgent: boolean };

export interface Jobs {
  /** Enqueues in the caller's transaction: no commit, no job. */
  sendOperation(tx: Transaction, operation: QueuedOperation): Promise<void>;
  /** An operation whose job still waits for a worker is urgent from now on. */
  hasten(tx: Transaction, operationId: string): Promise<void>;
  /** Works on operations until `stop`, `concurrency` at once, and as many urgent ones besides. A handler that throws gets its job again. */
  workOperations(handler: (job: OperationJob, signal: AbortSignal) => Promise<void>): Promise<void>;
  /** Hands jobs that a dead worker held to the next one at once. Only for the one process of a store. */
  reclaim(): Promise<number>;
  /** Operations that have a job which is waiting or running. */
  knows(operationId: string): Promise<boolean>;
  /** From now on a job for each of these clusters appears whenever its cron expression (in UTC) says so, and for no other. */
  ensureBackupSchedules(wanted: readonly BackupSchedule[]): Promise<void>;
  /** Works on these jobs until `stop`. A handler that throws gets its job again, until the last attempt. */
  workBackups(handler: (job: BackupJob, attempt: Attempt) => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

const queue = 'operation';
const backupQueue = 'backup';

const urgentPriority = 1;

/** A worker that gives no sign for this long is dead; the least that pg-boss allows. */
const heartbeatSeconds = 10;

/** How often a worker gives that sign: a store that was away for almost as long as it may miss does not cost the worker its job. */
const heartbeatRefreshSeconds = 2;

/** How much later than its operation a job expires: first comes its deadline, and then what it made is taken back. */
const expiryMarginSeconds = 120;

/** The least for one run of an operation, also of one whose deadline has passed and does not stop it: its longest step fits in. */
const leastExpirySeconds = 3600;

const queueOptions = {
  heartbeatSeconds,
  retryLimit: 10_000,
  retryDelay: 1,
  notify: true,
  deleteAfterSeconds: 3600,
  expireInSeconds: leastExpirySeconds,
};

/** A scheduled backup that cannot be taken, since its cluster is busy, is tried again for half an hour. */
const backupRetries = { limit: 30, delaySeconds: 60 };

export type JobsOptions = {
  url: string;
  logger: Logger;
  concurrency: number;
  backupRetries?: { limit: number; delaySeconds: number };
};

/** Starts pg-boss on the store (its own schema, `pgboss`). */
export async function createJobs(options: JobsOptions): Promise<Jobs> {
  const { url, logger } = options;
  const boss = new PgBoss({
    connectionString: url,
    options: connectionOptions,
    application_name: 'grove jobs',
    max: 4,
    useListenNotify: true,
    superviseIntervalSeconds: 1,
    monitorIntervalSeconds: 1,
    schedule: true,
  });
  boss.on('error', (error) => logger.warn({ err: error }, 'the job queue met an error'));
  await boss.start();
  await boss.createQueue(queue, queueOptions);
  // One at a time for each cluster: where one is still being tried, the next one is the same.
  await boss.createQueue(backupQueue, { policy: 'exclusive', deleteAfterSeconds: 3600 });
  return new BossJobs(boss, options);
}

class BossJobs implements Jobs {
  readonly #boss: PgBoss;
  readonly #concurrency: number;
  readonly #retries: { limit: number; delaySeconds: number };

  constructor(boss: PgBoss, options: Pick<JobsOptions, 'concurrency' | 'backupRetries'>) {
    this.#boss = boss;
    this.#concurrency = options.concurrency;
    this.#retries = options.backupRetries ?? backupRetries;
  }

  async sendOperation(tx: Transaction, { operationId, deadlineAt, urgent }: QueuedOperation): Promise<void> {
    const seconds = Math.ceil((deadlineAt.getTime() - Date.now()) / 1000) + expiryMarginSeconds;
    const data: OperationJob = { operationId };
    await this.#boss.send(queue, data, {
      db: fromPrisma(tx),
      // On a queue of this kind no rule, but what `hasten` finds the job by.
      singletonKey: operationId,
      priority: urgent ? urgentPriority : 0,
      expireInSeconds: Math.max(seconds, leastExpirySeconds),
    });
  }

  async hasten(tx: Transaction, operationId: string): Promise<void> {
    const db = fromPrisma(tx);
    // Undefined leaves the job's data as they are; null would replace them.
    await this.#boss.update(queue, undefined, {
      db,
      singletonKey: operationId,
      match: 'all',
      priority: urgentPriority,
    });
  }

  async workOperations(handler: (job: OperationJob, signal: AbortSignal) => Promise<void>): Promise<void> {
    const options = {
      localConcurrency: this.#concurrency,
      pollingIntervalSeconds: 1,
      notifyPollingIntervalSeconds: 2,
      heartbeatRefreshSeconds,
    };
    const run = async ([job]: Job<OperationJob>[]) => {
      if (job) await handler(job.data, job.signal);
    };
    await this.#boss.work<OperationJob>(queue, options, run);
    await this.#boss.work<OperationJob>(queue, { ...options, minPriority: urgentPriority }, run);
  }

  async reclaim(): Promise<number> {
    const jobs = await this.#boss.findJobs<OperationJob>(queue);
    const held = jobs.filter((job) => job.state === 'active').map((job) => job.id);
    if (held.length > 0) await this.#boss.fail(queue, held, { message: 'its worker is gone' });
    return held.length;
  }

  async knows(operationId: string): Promise<boolean> {
    const jobs = await this.#boss.findJobs<OperationJob>(queue, { data: { operationId } });
    return jobs.some((job) => job.state === 'created' || job.state === 'retry' || job.state === 'active');
  }

  async ensureBackupSchedules(wanted: readonly BackupSchedule[]): Promise<void> {
    const present = new Map((await this.#boss.getSchedules(backupQueue)).map(({ key, cron }) => [key, cron]));
    for (const one of wanted) {
      if (present.get(one.clusterId) !== one.schedule) await this.#schedule(one);
      present.delete(one.clusterId);
    }
    for (const clusterId of present.keys()) await this.#boss.unschedule(backupQueue, clusterId);
  }

  async #schedule({ clusterId, schedule }: BackupSchedule): Promise<void> {
    await this.#boss.schedule(backupQueue, schedule, { clusterId } satisfies BackupJob, {
      key: clusterId,
      singletonKey: clusterId,
      retryLimit: this.#retries.limit,
      retryDelay: this.#retries.delaySeconds,
    });
  }

  async workBackups(handler: (job: BackupJob, attempt: Attempt) => Promise<void>): Promise<void> {
    await this.#boss.work(
      backupQueue,
      { includeMetadata: true, pollingIntervalSeconds: 2 },
      async ([job]: JobWithMetadata<BackupJob>[]) => {
        if (job) await handler(job.data, { jobId: job.id, last: job.retryCount >= job.retryLimit });
      },
    );
  }

  async stop(): Promise<void> {
    await this.#boss.stop({ graceful: true, timeout: 2500, close: true });
  }
}
