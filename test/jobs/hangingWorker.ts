import { pino } from 'pino';
import { createJobs } from '#jobs/jobs.ts';

/** A program: takes jobs from the queue of the store named by its argument, says so, and never ends one. */
const jobs = await createJobs({ url: process.argv[2] ?? '', logger: pino({ level: 'silent' }), concurrency: 1 });
await jobs.workOperations(async ({ operationId }) => {
  process.stdout.write(`${operationId}\n`);
  await new Promise(() => {});
});
