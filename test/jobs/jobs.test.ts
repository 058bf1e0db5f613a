import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createJobs, type Jobs } from '#jobs/jobs.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

/** The least silence after which the queue itself takes a worker for dead, in milliseconds. */
const heartbeatMs = 10_000;

type Send = (operationId: string, how?: { urgent: boolean }) => Promise<void>;

async function queue(): Promise<{ store: TestDatabase; jobs: Jobs; send: Send }> {
  const store = await createTestDatabase();
  onTestFinished(() => store.close());
  const jobs = await openJobs(store);
  const deadlineAt = new Date(Date.now() + 60_000);
  return {
    store,
    jobs,
    send: (operationId, { urgent } = { urgent: false }) =>
      store.db.$transaction((tx) => jobs.sendOperation(tx, { operationId, deadlineAt, urgent })),
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
  const deadlineAt = new Date(Date.now() + 60_000);
  const undone = store.db.$transaction(async (tx) => {
    await jobs.sendOperation(tx, { operationId: lost, deadlineAt, urgent: false });
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
    const operation = { operationId: crypto.randomUUID(), deadlineAt: new Date(deadline), urgent: false };
    const { operationId } = operation;
    await store.db.$transaction((tx) => jobs.sendOperation(tx, operation));
    const [job] = await store.db.$queryRaw<{ seconds: number }[]>`
      SELECT expire_seconds AS seconds FROM pgboss.job WHERE data->>'operationId' = ${operationId}`;
    return job?.seconds;
  };
  expect(await sent(0)).toBe(3600);
  expect(await sent(Date.now() + 60_000)).toBe(3600);
  expect(await sent(Date.now() + 6 * 3_600_000)).toBeGreaterThan(6 * 3600);
});

describe('while every worker is held by an operation that takes long', () => {
  /** Such a worker, and whom it has given a hand since. */
  async function busyQueue() {
    const { store, jobs, send } = await queue();
    const held = crypto.randomUUID();
    const ended = Promise.withResolvers<void>();
    onTestFinished(() => ended.resolve());
    const given: string[] = [];
    await jobs.workOperations(async ({ operationId }) => {
      given.push(operationId);
      if (operationId === held) await ended.promise;
    });
    await send(held);
    await expect.poll(() => given, { timeout: 10_000 }).toEqual([held]);
    return { store, jobs, send, ended, told: () => given.slice(1) };
  }

  test('one that is urgent runs at once, and one that is not waits', async () => {
    const { send, ended, told } = await busyQueue();
    const [waiting, urgent, next] = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()];
    await send(waiting);
    await send(urgent, { urgent: true });
    await expect.poll(told, { timeout: 10_000 }).toEqual([urgent]);
    await send(next, { urgent: true });
    await expect.poll(told, { timeout: 10_000 }).toEqual([urgent, next]);
    ended.resolve();
    await expect.poll(told, { timeout: 10_000 }).toEqual([urgent, next, waiting]);
  });

  test('one that waits runs at once when it is hastened, and alone', async () => {
    const { store, jobs, send, told } = await busyQueue();
    const [one, other] = [crypto.randomUUID(), crypto.randomUUID()];
    await send(one);
    await send(other);
    await store.db.$transaction((tx) => jobs.hasten(tx, other));
    await expect.poll(told, { timeout: 10_000 }).toEqual([other]);
    await expect.poll(() => jobs.knows(other)).toBe(false);
    expect(await jobs.knows(one)).toBe(true);
    expect(told()).toEqual([other]);
  });
});
