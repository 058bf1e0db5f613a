import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StepFailure } from '#domain/stepFailure.ts';
import { type AcceptOptions, accept } from '#operations/accept.ts';
import { createCluster } from '#operations/createCluster.ts';
import { deleteCluster } from '#operations/deleteCluster.ts';
import { projectQuota } from '#operations/projectQuota.ts';
import { retryOperation } from '#operations/retryOperation.ts';
import { runOperation } from '#operations/runOperation.ts';
import { updateProject } from '#operations/updateProject.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { storeDigest } from '../support/storeDigest.ts';

const once: AcceptOptions = { idempotencyKey: null, expectedVersion: null };
const never = new AbortController().signal;
type Actor = Awaited<ReturnType<TestOperations['createActor']>>;

let grove: TestOperations;
beforeAll(async () => {
  grove = await createTestOperations({ working: false });
});
afterAll(() => grove.close());

const create = (actor: Actor, name: string, instanceCount = 1) =>
  accept(grove.deps, actor, createCluster, { name, engine: 'fake', instanceCount }, once);

const run = (operationId: string) => runOperation(grove.deps, operationId, never);

/** "used (reserved) of limit" of instances and storage. */
async function quotaOf({ projectId }: Actor): Promise<string[]> {
  const quota = await projectQuota(grove.deps, grove.deps.db, projectId);
  return quota.slice(0, 2).map(({ used, reserved, limit }) => `${used} (${reserved}) of ${limit}`);
}

async function limitedTo(instances: number | null, storageGiB: number | null = null): Promise<Actor> {
  const actor = await grove.createActor();
  await updateProject(grove.deps, actor, { quota: { instances, storageGiB } });
  return actor;
}

describe('the quota of a project', () => {
  test('is reserved with the acceptance, used once it is there, and given back by a deletion', async () => {
    const actor = await limitedTo(3);
    expect(await quotaOf(actor)).toEqual(['0 (0) of 3', '0 (0) of 100000']);
    const { clusterId, operationId } = await create(actor, 'orders', 2);
    expect(await quotaOf(actor)).toEqual(['2 (2) of 3', '20 (20) of 100000']);
    await run(operationId);
    expect(await quotaOf(actor)).toEqual(['2 (0) of 3', '20 (0) of 100000']);
    await expect(create(actor, 'more', 2)).rejects.toMatchObject({
      code: 'QUOTA_EXCEEDED',
      resource: 'INSTANCES',
      limit: 3,
      used: 2,
      requested: 2,
      message:
        '2 more instances would be too many: the project uses 2 of 3. ' +
        'Delete what is not needed, or let an ADMIN raise the quota with updateProject.',
    });
    const deletion = await accept(grove.deps, actor, deleteCluster, { clusterId }, once);
    await expect(create(actor, 'more', 2)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    await run(deletion.operationId);
    expect(await quotaOf(actor)).toEqual(['0 (0) of 3', '0 (0) of 100000']);
    await create(actor, 'more', 2);
  });

  test('counts storage too', async () => {
    const actor = await limitedTo(null, 25);
    await expect(create(actor, 'big', 3)).rejects.toMatchObject({
      resource: 'STORAGE_GIB',
      limit: 25,
      used: 0,
      requested: 30,
    });
    await create(actor, 'orders', 2);
  });

  test('refuses what can never fit, and nothing is left of it', async () => {
    const actor = await limitedTo(0);
    const before = await storeDigest(grove.deps.db);
    await expect(create(actor, 'orders')).rejects.toMatchObject({
      code: 'QUOTA_EXCEEDED',
      used: 0,
      requested: 1,
      message: expect.stringMatching(/^1 more instance would/),
    });
    expect(await storeDigest(grove.deps.db)).toEqual(before);
  });

  test('has its last place for one of twenty that race for it', async () => {
    const actor = await limitedTo(5);
    await create(actor, 'first', 4);
    const tries = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => create(actor, `race-${index}`)));
    const refused = tries.flatMap((attempt) => (attempt.status === 'rejected' ? [attempt.reason] : []));
    expect(refused).toHaveLength(19);
    for (const reason of refused) expect(reason).toMatchObject({ code: 'QUOTA_EXCEEDED', used: 5, limit: 5 });
    expect(await quotaOf(actor)).toEqual(['5 (5) of 5', '50 (50) of 100000']);
  });

  test('is held by a failed creation until it is deleted, and its retry needs no more', async () => {
    const actor = await limitedTo(2);
    const { clusterId, operationId } = await create(actor, 'orders', 2);
    grove.machines.interfere(async (call) => {
      if (call === 'provision orders-2') throw new StepFailure('DISK_FULL', 'The disk is full.');
    });
    await run(operationId);
    expect(await quotaOf(actor)).toEqual(['2 (1) of 2', '20 (10) of 100000']);
    await expect(create(actor, 'other')).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    await retryOperation(grove.deps, actor, { operationId });
    await run(operationId);
    grove.machines.interfere(async () => {});
    const deletion = await accept(grove.deps, actor, deleteCluster, { clusterId }, once);
    await run(deletion.operationId);
    await create(actor, 'other');
  });

  test('may be set below what is used: then nothing more is accepted, and everything can be deleted', async () => {
    const actor = await grove.createActor();
    const { clusterId, operationId } = await create(actor, 'orders', 2);
    await run(operationId);
    await updateProject(grove.deps, actor, { quota: { instances: 1 } });
    expect(await quotaOf(actor)).toEqual(['2 (0) of 1', '20 (0) of 100000']);
    await expect(create(actor, 'more')).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED', used: 2, limit: 1 });
    await run((await accept(grove.deps, actor, deleteCluster, { clusterId }, once)).operationId);
    await create(actor, 'more');
  });

  test("is each project's own", async () => {
    const [full, other] = [await limitedTo(1), await limitedTo(1)];
    await create(full, 'orders');
    await create(other, 'orders');
  });
});

describe('updateProject', () => {
  test('changes what is given, brings a default back with null, and tells it in an event', async () => {
    const actor = await limitedTo(3, 30);
    await updateProject(grove.deps, actor, { quota: { instances: null, backups: 7 } });
    expect(await quotaOf(actor)).toEqual(['0 (0) of 1000', '0 (0) of 30']);
    const { type, payload } = await grove.deps.db.event.findFirstOrThrow({
      where: { projectId: actor.projectId },
      orderBy: { seq: 'desc' },
    });
    expect({ type, payload }).toEqual({
      type: 'PROJECT_UPDATED',
      payload: { quota: { instances: null, storageGiB: 30, backups: 7 } },
    });
  });

  test.each([
    ['nothing', {}, 'quota'],
    ['a limit below 0', { instances: -1 }, 'quota.instances'],
    ['a limit above all', { storageGiB: 1_000_000_001 }, 'quota.storageGiB'],
  ])('refuses %s', async (_what, quota, path) => {
    await expect(updateProject(grove.deps, await grove.createActor(), { quota })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      fields: [{ path }],
    });
  });

  test('needs an ADMIN', async () => {
    const actor = await grove.createActor('OPERATOR');
    await expect(updateProject(grove.deps, actor, { quota: { instances: 1 } })).rejects.toMatchObject({
      code: 'FORBIDDEN',
      requiredRole: 'ADMIN',
    });
  });
});
