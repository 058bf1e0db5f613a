import { afterAll, beforeAll, expect, test } from 'vitest';
import { hourMs, minuteMs } from '#lib/time/durations.ts';
import { backupPolicies } from '#monitors/backupPolicies.ts';
import type { MonitorDeps } from '#monitors/monitor.ts';
import { accept } from '#operations/accept.ts';
import { runOperation } from '#operations/runOperation.ts';
import { takeScheduledBackup } from '#operations/takeScheduledBackup.ts';
import { updateCluster } from '#operations/updateCluster.ts';
import { activeCluster, never, once } from '../operations/clusterWorld.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';

let grove: TestOperations;
beforeAll(async () => {
  grove = await createTestOperations({ working: false });
});
afterAll(() => grove.close());

/** Where a line of the log is a warning, it is told here. */
function heard(): { logger: MonitorDeps['logger']; warnings: unknown[] } {
  const warnings: unknown[] = [];
  const warn = (details: unknown) => warnings.push(details);
  return { warnings, logger: Object.assign(Object.create(grove.deps.logger) as MonitorDeps['logger'], { warn }) };
}

test('a verification that the quota has no room for is told once, and asked for again after a pause that grows', async () => {
  const { actor, clusterId } = await activeCluster(grove, 2);
  const backupPolicy = { schedule: '30 2 * * *', verify: true };
  await accept(grove.deps, actor, updateCluster, { clusterId, backupPolicy }, once);
  await takeScheduledBackup(grove.deps, clusterId, { jobId: 'one', last: true });
  const { operationId } = await grove.deps.db.backup.findFirstOrThrow({ where: { clusterId } });
  await runOperation(grove.deps, operationId, never);
  await grove.deps.db.project.update({ where: { id: actor.projectId }, data: { quotaInstances: 2 } });
  const { logger, warnings } = heard();
  let passedMs = 0;
  let transactions = 0;
  const db = new Proxy(grove.deps.db, {
    get: (target, name) => {
      if (name === '$transaction') transactions += 1;
      return Reflect.get(target, name);
    },
  });
  const clock = { now: () => new Date(Date.now() + passedMs) };
  const monitor = backupPolicies({ ...grove.deps, db, logger, clock });
  const triesAfter = async (ms: number) => {
    passedMs = ms;
    transactions = 0;
    await monitor.round();
    return transactions;
  };
  expect(await triesAfter(0)).toBe(1);
  expect(await triesAfter(0.9 * minuteMs)).toBe(0);
  expect(await triesAfter(1.1 * minuteMs)).toBe(1);
  expect(await triesAfter(2.9 * minuteMs)).toBe(0);
  expect(await triesAfter(3.2 * minuteMs)).toBe(1);
  expect(warnings).toEqual([{ clusterId, backup: expect.any(String), reason: expect.stringContaining('instances') }]);
  await grove.deps.db.project.update({ where: { id: actor.projectId }, data: { quotaInstances: 4 } });
  await triesAfter(hourMs);
  const begun = await grove.deps.db.operation.findMany({
    where: { projectId: actor.projectId, kind: 'VERIFY_BACKUP' },
  });
  expect(begun).toMatchObject([{ status: 'QUEUED', requestedBy: { name: 'backup verification' } }]);
});
