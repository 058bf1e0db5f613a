import type { Client } from 'graphql-ws';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { type FollowedProject, followProject } from '#cli/watch/followProject.ts';
import { eventsOf } from '#cli/watch/project.ts';
import { createGroveClient } from '#client/createGroveClient.ts';
import { transact } from '#events/transact.ts';
import type { ClusterStatus } from '#generated/prisma/enums.ts';
import { insertCluster, insertOperation } from '../graphql/graphqlWorld.ts';
import { createServerWorld, type ServerWorldOptions } from '../server/serverWorld.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';

let operations: TestOperations;
beforeAll(async () => {
  operations = await createTestOperations({ working: false });
  return () => operations.close();
});

type World = Awaited<ReturnType<typeof createServerWorld>>;

/** Answers that have come and are not handed on: the first of each operation of this name. */
function holdingFirst(client: Client, name: string) {
  const held: (() => void)[] = [];
  let isHeld = true;
  const subscribe: Client['subscribe'] = (payload, sink) => {
    if (!payload.query.includes(` ${name}`) || !isHeld) return client.subscribe(payload, sink);
    isHeld = false;
    const hold = (handOn: () => void) => void held.push(handOn);
    return client.subscribe(payload, {
      next: (result) => hold(() => sink.next(result as never)),
      error: (error) => hold(() => sink.error(error)),
      complete: () => hold(() => sink.complete()),
    });
  };
  const release = () => {
    for (const handOn of held) handOn();
  };
  return { client: { ...client, subscribe }, held, release };
}

/** A project with a cluster, followed by one whose first answer to this operation is held back. */
async function following(name: string, options: ServerWorldOptions = {}) {
  const world = await createServerWorld(operations, options);
  const { actor } = world;
  const cluster = await insertCluster({ operations }, actor, { name: 'orders' });
  const operation = await insertOperation({ operations }, actor, cluster.id);
  const client = createGroveClient({ url: world.url, key: world.key });
  const answers = holdingFirst(client, name);
  const followed = followProject(answers.client, { lookMs: 20 });
  onTestFinished(() => {
    followed.close();
    client.terminate();
  });
  return { ...answers, world, cluster, operation, followed, seen: everySeen(followed) };
}

const statuses = (things: readonly { status: string }[]) => things.map(({ status }) => status).join();

/** What was shown of the clusters and of the operations, one after the other. */
function everySeen(followed: FollowedProject) {
  const seen = { clusters: [''], operations: [''] };
  followed.subscribe(() => {
    const { project } = followed.current();
    for (const of of ['clusters', 'operations'] as const) {
      const now = statuses(project[of]);
      if (seen[of].at(-1) !== now) seen[of].push(now);
    }
  });
  return seen;
}

const setStatus = (id: string, status: ClusterStatus) =>
  operations.deps.db.cluster.update({ where: { id }, data: { status } });

test('an operation that has ended does not run again by an answer that was read before its end', async () => {
  const { world, cluster, operation, followed, seen, held, release } = await following('State');
  await expect.poll(() => held.length).toBeGreaterThan(0);
  await transact(world.operations, world.actor, async ({ tx, record }) => {
    await tx.operation.update({ where: { id: operation.id }, data: { status: 'SUCCEEDED', finishedAt: new Date() } });
    await tx.cluster.update({ where: { id: cluster.id }, data: { status: 'DEGRADED' } });
    const about = { clusterId: cluster.id, operationId: operation.id };
    record({ type: 'OPERATION_STATUS_CHANGED', ...about, toStatus: 'SUCCEEDED' });
  });
  await expect.poll(() => seen.operations.at(-1)).toBe('SUCCEEDED');
  release();
  await expect.poll(() => followed.current().project.name).not.toBe('');
  expect(seen).toEqual({ clusters: ['', 'DEGRADED'], operations: ['', 'SUCCEEDED'] });
});

test('a look at a cluster that was read before its event does not bring the old status back', async () => {
  const { world, cluster, followed, seen, held, release } = await following('Look');
  await expect.poll(() => seen.clusters.at(-1)).toBe('ACTIVE');
  followed.lookAt([cluster.globalId]);
  await expect.poll(() => held.length).toBeGreaterThan(0);
  followed.lookAt([]);
  await transact(world.operations, world.actor, async ({ tx, record }) => {
    await tx.cluster.update({ where: { id: cluster.id }, data: { status: 'DEGRADED' } });
    record({ type: 'CLUSTER_STATUS_CHANGED', clusterId: cluster.id, toStatus: 'DEGRADED' });
  });
  await expect.poll(() => seen.clusters.at(-1)).toBe('DEGRADED');
  release();
  await setStatus(cluster.id, 'DOWN');
  followed.lookAt([cluster.globalId]);
  await expect.poll(() => seen.clusters.at(-1)).toBe('DOWN');
  expect(seen.clusters).toEqual(['', 'ACTIVE', 'DEGRADED', 'DOWN']);
});

test('a look that is late does not undo a later one', async () => {
  const { cluster, followed, seen, held, release } = await following('Look');
  await expect.poll(() => seen.clusters.at(-1)).toBe('ACTIVE');
  followed.lookAt([cluster.globalId]);
  await expect.poll(() => held.length).toBeGreaterThan(0);
  await setStatus(cluster.id, 'DEGRADED');
  await expect.poll(() => seen.clusters.at(-1)).toBe('DEGRADED');
  followed.lookAt([]);
  release();
  await setStatus(cluster.id, 'DOWN');
  followed.lookAt([cluster.globalId]);
  await expect.poll(() => seen.clusters.at(-1)).toBe('DOWN');
  expect(seen.clusters).toEqual(['', 'ACTIVE', 'DEGRADED', 'DOWN']);
});

/** The log as it was before: what was written comes to nothing, and its cursors will be given again. */
async function cutBack({ actor, write }: World, labels: string[], written: () => Promise<void>): Promise<void> {
  const { db } = operations.deps;
  const { projectId } = actor;
  const { eventSeq } = await db.project.findUniqueOrThrow({ where: { id: projectId } });
  for (const label of labels) await write(label);
  await written();
  await db.$transaction([
    db.event.deleteMany({ where: { projectId, seq: { gt: eventSeq } } }),
    db.project.update({ where: { id: projectId }, data: { eventSeq } }),
  ]);
}

test('after a log that was cut back its new events are shown behind what it still has', async () => {
  const { world, followed } = await following('Nothing', { feed: { lookMs: 20 } });
  const shown = () => eventsOf(followed.current().project).map(({ type, toStatus }) => toStatus ?? type);
  await expect.poll(shown).toEqual(['API_KEY_CREATED']);
  await cutBack(world, ['one', 'two'], () => expect.poll(shown).toEqual(['API_KEY_CREATED', 'one', 'two']));
  await expect.poll(() => followed.current().project.gap).toBe('BEYOND_END');
  for (const label of ['uno', 'due']) await world.write(label);
  await expect.poll(shown).toEqual(['API_KEY_CREATED', 'uno', 'due']);
});

test('an answer that was asked for before a gap does not undo what was read after it', async () => {
  const { world, cluster, followed, seen, held, release } = await following('State', { feed: { lookMs: 20 } });
  await expect.poll(() => held.length).toBeGreaterThan(0);
  await setStatus(cluster.id, 'DEGRADED');
  const { told } = followed.current().project;
  await cutBack(world, ['one'], () => expect.poll(() => followed.current().project.told).not.toEqual(told));
  await expect.poll(() => seen.clusters.at(-1)).toBe('DEGRADED');
  release();
  await setStatus(cluster.id, 'DOWN');
  followed.lookAt([cluster.globalId]);
  await expect.poll(() => seen.clusters.at(-1)).toBe('DOWN');
  expect(seen.clusters).toEqual(['', 'DEGRADED', 'DOWN']);
});
