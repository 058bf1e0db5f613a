import { fromPrisma, PgBoss } from 'pg-boss';
import type { Logger } from '#lib/logger.ts';
import { connectionOptions, type Transaction } from '#store/database.ts';

/** A job that runs (or goes on running) one operation. */
export type OperationJob = { operationId: string };

export interface Jobs {
  /** Enqueues in the caller's transaction: no commit, no job. */
  sendOperation(tx: Transaction, operationId: string, deadlineAt: Date): Promise<void>;
  /** Works on operations until `stop`, several at once. A handler that throws gets its job again. */
  workOperations(handler: (job: OperationJob, signal: AbortSignal) => Promise<void>): Promise<void>;
  /** Hands jobs that a dead worker held to the next one at once. Only for the one process of a store. */
  reclaim(): Promise<number>;
  /** Operations that have a job which is waiting or running. */
  knows(operationId: string): Promise<boolean>;
  stop(): Promise<void>;
}

const queue = 'operation';

/** A worker that gives no sign for this long is dead; the least that pg-boss allows. */
const heartbeatSeconds = 10;

/** How much later than its operation a job expires: the operation's own deadline comes first. */
const expiryMarginSeconds = 60;

const queueOptions = {
  heartbeatSeconds,
  retryLimit: 10_000,
  retryDelay: 1,
  notify: true,
  deleteAfterSeconds: 3600,
  expireInSeconds: 3600,
};

export type JobsOptions = { url: string; logger: Logger; concurrency: number };

/** Starts pg-boss on the store (its own schema, `pgboss`). */
export async function createJobs({ url, logger, concurrency }: JobsOptions): Promise<Jobs> {
  const boss = new PgBoss({
    connectionString: url,
    options: connectionOptions,
    application_name: 'grove jobs',
    max: 4,
    useListenNotify: true,
    superviseIntervalSeconds: 1,
    monitorIntervalSeconds: 1,
    schedule: false,
  });
  boss.on('error', (error) => logger.warn({ err: error }, 'the job queue met an error'));
  await boss.start();
  await boss.createQueue(queue, queueOptions);
  return {
    async sendOperation(tx, operationId, deadlineAt) {
      const seconds = Math.ceil((deadlineAt.getTime() - Date.now()) / 1000) + expiryMarginSeconds;
      const data: OperationJob = { operationId };
      await boss.send(queue, data, { db: fromPrisma(tx), expireInSeconds: Math.max(seconds, expiryMarginSeconds) });
    },
    async workOperations(handler) {
      await boss.work<OperationJob>(
        queue,
        { localConcurrency: concurrency, pollingIntervalSeconds: 1, notifyPollingIntervalSeconds: 2 },
        async ([job]) => {
          if (job) await handler(job.data, job.signal);
        },
      );
    },
    async reclaim() {
      const jobs = await boss.findJobs<OperationJob>(queue);
      const held = jobs.filter((job) => job.state === 'active').map((job) => job.id);
      if (held.length > 0) await boss.fail(queue, held, { message: 'its worker is gone' });
      return held.length;
    },
    async knows(operationId) {
      const jobs = await boss.findJobs<OperationJob>(queue, { data: { operationId } });
      return jobs.some((job) => job.state === 'created' || job.state === 'retry' || job.state === 'active');
    },
    async stop() {
      await boss.stop({ graceful: true, timeout: 2500, close: true });
    },
  };
}
