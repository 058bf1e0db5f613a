import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Actor } from '#domain/actor.ts';
import type { Feed } from '#events/feed.ts';
import { transact } from '#events/transact.ts';
import {
  at,
  createGraphqlWorld,
  type GraphqlWorld,
  insertCluster,
  insertOperation,
  type Stream,
} from './graphqlWorld.ts';

let world: GraphqlWorld;
let actor: Actor;
beforeAll(async () => {
  world = await createGraphqlWorld({ feed: { heartbeatMs: 60_000 } });
  actor = await world.createActor();
});
afterAll(() => world.close());

/** Changes a cluster's status as an operation does: with its event. */
const changeStatus = (clusterId: string, status: 'ACTIVE' | 'DOWN' | 'DEGRADED', of: Actor = actor) =>
  transact(world.operations.deps, of, async ({ tx, record }) => {
    await tx.cluster.update({ where: { id: clusterId }, data: { status } });
    record({ type: 'CLUSTER_STATUS_CHANGED', clusterId, toStatus: status });
  });

/** The next statuses that a stream tells, however they are batched. */
async function statuses(stream: Stream, field: string, count: number): Promise<string[]> {
  const told: string[] = [];
  while (told.length < count) {
    const message = (await stream.next())?.data[field];
    expect(message.__typename).toBe('EventBatch');
    told.push(...message.events.map(({ toStatus }: { toStatus: string }) => toStatus));
  }
  return told;
}

const messageFields = /* GraphQL */ `
  __typename
  ... on EventBatch { cursor events { cursor type toStatus cluster { status } } }
  ... on Heartbeat { cursor at }
  ... on ResumeGap { reason oldestCursor }
  ... on SlowSubscriber { cursor }
`;

describe('events', () => {
  const document = `subscription ($after: Cursor, $filter: EventFilter) { events(after: $after, filter: $filter) { ${messageFields} } }`;

  test('what came after the cursor, then what comes, and nothing of another project', async () => {
    const cluster = await insertCluster(world, actor);
    const other = await world.createActor();
    const foreign = await insertCluster(world, other);
    const after = await world.feed.cursorNow(actor.projectId);
    await changeStatus(cluster.id, 'DOWN');
    await changeStatus(foreign.id, 'DOWN', other);
    const stream = await world.subscribe(actor, document, { after });
    expect(await statuses(stream, 'events', 1)).toEqual(['DOWN']);
    const next = stream.next();
    await changeStatus(foreign.id, 'ACTIVE', other);
    await changeStatus(cluster.id, 'ACTIVE');
    expect((await next)?.data.events.events).toMatchObject([{ toStatus: 'ACTIVE', cluster: { status: 'ACTIVE' } }]);
    await stream.end();
  });

  test('nothing of another project, even if the feed hands it over', async () => {
    const other = await world.createActor();
    const foreign = await insertCluster(world, other);
    const after = await world.feed.cursorNow(other.projectId);
    const mistaken: Feed = {
      ...world.feed,
      subscribe: () => world.feed.subscribe({ after, projectId: other.projectId }),
    };
    const refused = {
      data: null,
      errors: [expect.objectContaining({ message: expect.stringContaining('another project') })],
    };
    const documents = [
      document,
      `subscription ($after: Cursor) { cluster(id: "${(await insertCluster(world, actor)).globalId}", after: $after) { ${messageFields} } }`,
    ];
    await changeStatus(foreign.id, 'DOWN', other);
    for (const one of documents) {
      const stream = await world.subscribe(actor, one, { after }, mistaken);
      expect(await stream.next()).toEqual(refused);
      await stream.end();
    }
  });

  test('what is told of a cluster is how it is then, not how it was when the stream began', async () => {
    const cluster = await insertCluster(world, actor, { status: 'ACTIVE' });
    const stream = await world.subscribe(actor, document, { after: await world.feed.cursorNow(actor.projectId) });
    for (const status of ['DOWN', 'DEGRADED', 'ACTIVE'] as const) {
      const next = stream.next();
      await changeStatus(cluster.id, status);
      expect((await next)?.data.events.events).toMatchObject([{ toStatus: status, cluster: { status } }]);
    }
    await stream.end();
  });

  test('a filter leaves out what it does not name', async () => {
    const [one, two] = [await insertCluster(world, actor), await insertCluster(world, actor)];
    const after = await world.feed.cursorNow(actor.projectId);
    await changeStatus(one.id, 'DOWN');
    await changeStatus(two.id, 'DEGRADED');
    await changeStatus(one.id, 'ACTIVE');
    const told = async (filter: object, count: number) => {
      const stream = await world.subscribe(actor, document, { after, filter });
      const found = await statuses(stream, 'events', count);
      await stream.end();
      return found;
    };
    expect(await told({ clusterIds: [two.globalId] }, 1)).toEqual(['DEGRADED']);
    expect(await told({ clusterIds: [one.globalId, two.globalId, 'x'], types: ['CLUSTER_STATUS_CHANGED'] }, 3)).toEqual(
      ['DOWN', 'DEGRADED', 'ACTIVE'],
    );
  });

  test('without a cursor it begins with the cursor of now, behind which nothing is missed', async () => {
    const cluster = await insertCluster(world, actor);
    const stream = await world.subscribe(actor, document, { filter: { clusterIds: [cluster.globalId] } });
    const cursor = await world.feed.cursorNow(actor.projectId);
    expect((await stream.next())?.data.events).toMatchObject({ __typename: 'Heartbeat', cursor });
    await stream.end();
    await changeStatus(cluster.id, 'DOWN');
    const resumed = await world.subscribe(actor, document, { after: cursor });
    expect(await statuses(resumed, 'events', 1)).toEqual(['DOWN']);
    await resumed.end();
  });

  test('a cursor beyond the end is told as a gap; what is no cursor is refused', async () => {
    const gap = await world.subscribe(actor, document, { after: world.feed.encode(10n ** 9n) });
    expect((await gap.next())?.data.events).toMatchObject({ __typename: 'ResumeGap', reason: 'BEYOND_END' });
    await gap.end();
    const refused = await world.subscribe(actor, document, { after: 'x' });
    expect((await refused.next())?.errors).toMatchObject([{ extensions: { code: 'INVALID_INPUT' } }]);
  });
});

describe('cluster', () => {
  const document = `subscription ($id: ID!, $after: Cursor) { cluster(id: $id, after: $after) {
    ${messageFields} ... on ClusterSnapshot { cursor cluster { name status instances { totalCount } } } } }`;

  test('the cluster as it is, then its events; what happens while the snapshot is read is not lost', async () => {
    const cluster = await insertCluster(world, actor, { name: 'watched', instances: 1 });
    const neighbour = await insertCluster(world, actor);
    const stream = await world.subscribe(actor, document, { id: cluster.globalId });
    const snapshot = (await stream.next())?.data.cluster;
    expect(snapshot).toMatchObject({
      __typename: 'ClusterSnapshot',
      cluster: { name: 'watched', status: 'ACTIVE', instances: { totalCount: 1 } },
    });
    await changeStatus(cluster.id, 'DOWN');
    await changeStatus(neighbour.id, 'DEGRADED');
    await changeStatus(cluster.id, 'ACTIVE');
    expect(await statuses(stream, 'cluster', 2)).toEqual(['DOWN', 'ACTIVE']);
    await stream.end();
    const resumed = await world.subscribe(actor, document, { id: cluster.globalId, after: snapshot.cursor });
    expect(await statuses(resumed, 'cluster', 2)).toEqual(['DOWN', 'ACTIVE']);
    await resumed.end();
  });
});

test.each([
  ['events', () => ''],
  ['cluster', (id: string) => `(id: "${id}")`],
  ['operation', (_id: string, operation: string) => `(id: "${operation}")`],
])('a reader of %s that leaves while it waits is let go at once', async (field, args) => {
  const cluster = await insertCluster(world, actor);
  const operation = await insertOperation(world, actor, cluster.id);
  const stream = await world.subscribe(
    actor,
    `subscription { ${field}${args(cluster.globalId, operation.globalId)} { __typename } }`,
  );
  await stream.next();
  const waiting = stream.next();
  await new Promise((turn) => setImmediate(turn));
  await stream.end();
  expect(await waiting).toBe(null);
});

describe('operation', () => {
  const document = 'subscription ($id: ID!) { operation(id: $id) { status progress waitingFor steps { status } } }';

  /** Changes an operation as a worker does. */
  const advance = (id: string, clusterId: string, data: object) =>
    transact(world.operations.deps, actor, async ({ tx, record }) => {
      await tx.operation.update({ where: { id }, data });
      record({ type: 'OPERATION_STEP_CHANGED', clusterId, operationId: id });
    });

  test('as it is, then at each change, to its end', async () => {
    const cluster = await insertCluster(world, actor);
    const operation = await insertOperation(world, actor, cluster.id, { stepsDone: 0, status: 'QUEUED' });
    const stream = await world.subscribe(actor, document, { id: operation.globalId });
    expect((await stream.next())?.data.operation).toEqual({
      status: 'QUEUED',
      progress: 0,
      waitingFor: null,
      steps: [],
    });
    await advance(operation.id, cluster.id, { status: 'RUNNING', stepsDone: 1 });
    expect((await stream.next())?.data.operation).toMatchObject({ status: 'RUNNING', progress: 0.5 });
    const next = stream.next();
    await changeStatus(cluster.id, 'DOWN');
    await advance(operation.id, cluster.id, { status: 'SUCCEEDED', stepsDone: 2, finishedAt: at(9) });
    expect((await next)?.data.operation).toMatchObject({ status: 'SUCCEEDED', progress: 1 });
    expect(await stream.next()).toBe(null);
  });

  test('one that has ended is told once', async () => {
    const cluster = await insertCluster(world, actor);
    const operation = await insertOperation(world, actor, cluster.id, { status: 'FAILED', finishedAt: at(9) });
    const stream = await world.subscribe(actor, document, { id: operation.globalId });
    expect((await stream.next())?.data.operation.status).toBe('FAILED');
    expect(await stream.next()).toBe(null);
  });
});
