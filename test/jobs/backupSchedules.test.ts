import { PgBoss } from 'pg-boss';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { createJobs } from '#jobs/jobs.ts';
import { createTestDatabase } from '../support/postgres.ts';

async function queue() {
  const store = await createTestDatabase();
  onTestFinished(() => store.close());
  const logger = pino({ level: 'silent' });
  const backupRetries = { limit: 2, delaySeconds: 1 };
  const jobs = await createJobs({ url: store.url, logger, concurrency: 1, backupRetries });
  onTestFinished(() => jobs.stop());
  const schedules = () =>
    store.db.$queryRaw<{ key: string; cron: string }[]>`SELECT key, cron FROM pgboss.schedule ORDER BY key`;
  return { store, jobs, schedules };
}

test('schedules are what is wanted: made, changed, left alone and removed', async () => {
  const { jobs, schedules } = await queue();
  const [one, two] = ['01a20482-0000-7000-8000-000000000001', '01a20482-0000-7000-8000-000000000002'];
  await jobs.ensureBackupSchedules([
    { clusterId: one, schedule: '0 1 * * *' },
    { clusterId: two, schedule: '0 2 * * *' },
  ]);
  await jobs.ensureBackupSchedules([{ clusterId: two, schedule: '30 2 * * *' }]);
  await jobs.ensureBackupSchedules([{ clusterId: two, schedule: '30 2 * * *' }]);
  expect(await schedules()).toEqual([{ key: two, cron: '30 2 * * *' }]);
});

test('a backup that cannot be taken is tried again until its last attempt, and is one for each cluster', async () => {
  const { store, jobs } = await queue();
  const boss = new PgBoss({ connectionString: store.url, supervise: false, schedule: false });
  await boss.start();
  onTestFinished(() => boss.stop());
  // As the schedule sends it when it comes due.
  const send = () => boss.send('backup', { clusterId: 'c' }, { singletonKey: 'c', retryLimit: 2, retryDelay: 1 });
  expect(await send()).not.toBe(null);
  expect(await send()).toBe(null);
  const attempts: boolean[] = [];
  const ids = new Set<string>();
  await jobs.workBackups(async ({ clusterId }, { jobId, last }) => {
    expect(clusterId).toBe('c');
    attempts.push(last);
    ids.add(jobId);
    if (!last) throw new Error('The cluster is busy.');
  });
  await expect.poll(() => attempts, { timeout: 20_000 }).toEqual([false, false, true]);
  expect(ids.size).toBe(1);
});

test('a schedule that comes due has the backup of its cluster taken, and of no other', async () => {
  const { jobs } = await queue();
  const [due, later] = ['01a20482-0000-7000-8000-000000000001', '01a20482-0000-7000-8000-000000000002'];
  await jobs.ensureBackupSchedules([
    // With seconds, which a policy cannot have: the queue looks for what is due every half minute.
    { clusterId: due, schedule: '* * * * * *' },
    { clusterId: later, schedule: '0 0 29 2 *' },
  ]);
  const given: { clusterId: string; last: boolean }[] = [];
  await jobs.workBackups(async ({ clusterId }, { last }) => {
    given.push({ clusterId, last });
  });
  await expect.poll(() => given[0], { timeout: 60_000 }).toEqual({ clusterId: due, last: false });
  expect(new Set(given.map(({ clusterId }) => clusterId))).toEqual(new Set([due]));
}, 90_000);
