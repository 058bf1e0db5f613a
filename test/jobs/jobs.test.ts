import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { createJobs, type Jobs } from '#jobs/jobs.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

/** The least silence after which the queue itself takes a worker for dead, in milliseconds. */
const heartbeatMs = 10_000;

async function queue(): Promise<{ store: TestDatabase; jobs: Jobs; send(operationId: string): Promise<void> }> {
  const store = await createTestDatabase();
  onTestFinished(() => store.close());
  const jobs = await openJobs(store);
  const deadline = new Date(Date.now() + 60_000);
  return {
    store,
    jobs,
    send: (operationId) => store.db.$transaction((tx) => jobs.sendOperation(tx, operationId, deadline)),
  };
}

async function openJobs({ url }: TestDatabase): Promise<Jobs> {
  const jobs = await createJobs({ url, logger: pino({ level: 'silent' }), concurrency: 1 });
  onTestFinished(() => jobs.stop());
  return jobs;
}

/** Starts a worker that hangs in the first job that it gets. */
function hangingWorker({ url }: TestDatabase): ChildProcess & { stdout: NonNullable<ChildProcess['stdout']> } {
  const worker = spawn(process.execPath, [join(import.meta.dirname, 'hangingWorker.ts'), url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void worker.kill('SIGKILL'));
  return worker;
}

async function killed(worker: ChildProcess): Promise<void> {
  worker.kill('SIGKILL');
  await once(worker, 'exit');
}

test('reclaim hands the job of a worker that died on at once, long before its silence would tell', async () => {
  const { store, jobs, send } = await queue();
  const operationId = crypto.randomUUID();
  await send(operationId);
  const dead = hangingWorker(store);
  const [taken] = await once(dead.stdout, 'data');
  expect(String(taken).trim()).toBe(operationId);
  await killed(dead);
  const diedAt = performance.now();

  const given = Promise.withResolvers<string>();
  await jobs.workOperations(async (job) => given.resolve(job.operationId));
  expect(await jobs.knows(operationId)).toBe(true);
  expect(await jobs.reclaim()).toBe(1);
  expect(await given.promise).toBe(operationId);
  expect(performance.now() - diedAt).toBeLessThan(heartbeatMs / 2);
  await expect.poll(() => jobs.knows(operationId)).toBe(false);
  expect(await jobs.reclaim()).toBe(0);
});

test('a job is only there if its transaction is committed, and a handler that throws gets it again', async () => {
  const { store, jobs, send } = await queue();
  const lost = crypto.randomUUID();
  const deadline = new Date(Date.now() + 60_000);
  const undone = store.db.$transaction(async (tx) => {
    await jobs.sendOperation(tx, lost, deadline);
    throw new Error('undone');
  });
  await expect(undone).rejects.toThrow('undone');
  expect(await jobs.knows(lost)).toBe(false);

  const operationId = crypto.randomUUID();
  const tries: string[] = [];
  await jobs.workOperations(async (job) => {
    tries.push(job.operationId);
    if (tries.length === 1) throw new Error('the store was away');
  });
  await send(operationId);
  await expect.poll(() => tries, { timeout: 10_000 }).toEqual([operationId, operationId]);
  await expect.poll(() => jobs.knows(operationId)).toBe(false);
});

test('one run has an hour at least, though the deadline of its operation has passed or is near', async () => {
  const { store, jobs } = await queue();
  const sent = async (deadline: number) => {
    const operationId = crypto.randomUUID();
    await store.db.$transaction((tx) => jobs.sendOperation(tx, operationId, new Date(deadline)));
    const [job] = await store.db.$queryRaw<{ seconds: number }[]>`
      SELECT expire_seconds AS seconds FROM pgboss.job WHERE data->>'operationId' = ${operationId}`;
    return job?.seconds;
  };
  expect(await sent(0)).toBe(3600);
  expect(await sent(Date.now() + 60_000)).toBe(3600);
  expect(await sent(Date.now() + 6 * 3_600_000)).toBeGreaterThan(6 * 3600);
});
