import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { revokeApiKey } from '#auth/revokeApiKey.ts';
import { createGroveClient } from '#client/createGroveClient.ts';
import { iterateWithResume } from '#client/iterateWithResume.ts';
import type { StreamStatus } from '#client/resumption.ts';
import { subscribeWithResume } from '#client/subscribeWithResume.ts';
import { EPOCH_BYTES, encodeCursor } from '#events/cursor.ts';
import { transact } from '#events/transact.ts';
import { freePort } from '#lib/host/freePort.ts';
import { insertCluster, insertOperation } from '../graphql/graphqlWorld.ts';
import { createServerWorld } from '../server/serverWorld.ts';
import { cuttingProxy } from '../support/cuttingProxy.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { eventsDocument, readers } from './readers.ts';

type Name = keyof typeof readers;
const names = Object.keys(readers) as Name[];
const backoff = { firstMs: 20, longestMs: 100 };
const labelsOf = (events: { toStatus: string }[]) => events.map(({ toStatus }) => toStatus);

let operations: TestOperations;
beforeAll(async () => {
  operations = await createTestOperations({ working: false });
  return () => operations.close();
});

type World = Awaited<ReturnType<typeof createServerWorld>>;

function clientOf(url: string | string[], key: string) {
  const client = createGroveClient({ url, key });
  onTestFinished(() => client.terminate());
  return client;
}

/** What the log has behind a cursor, as the `events` query tells it. */
async function logged({ post }: World, after: string): Promise<string[]> {
  const query =
    'query ($after: Cursor) { events(first: 100, after: $after) { nodes { toStatus cursor } pageInfo { hasNextPage endCursor } } }';
  const labels: string[] = [];
  for (let cursor: string | null = after; cursor !== null; ) {
    const { data } = (await (await post({ query, variables: { after: cursor } })).json()) as {
      data: { events: { nodes: { toStatus: string }[]; pageInfo: { hasNextPage: boolean; endCursor: string } } };
    };
    labels.push(...labelsOf(data.events.nodes));
    cursor = data.events.pageInfo.hasNextPage ? data.events.pageInfo.endCursor : null;
  }
  return labels;
}

describe.each(names)('%s', (name) => {
  const read = readers[name];

  test('tells every event once and in order, however often the connection is cut', async () => {
    const world = await createServerWorld(operations);
    const proxy = await cuttingProxy(world.url);
    const start = await world.feed.cursorNow(world.actor.projectId);
    const told = read(
      clientOf(proxy.url, world.key),
      { query: eventsDocument, variables: { after: start } },
      { backoff },
    );
    const count = 250;
    for (let n = 0; n < count; n++) {
      await world.write(`event ${n}`);
      if (n % 9 === 8) proxy.cut();
      if (n % 25 === 0) await delay(40);
    }
    await expect.poll(() => told.events.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(count);
    expect(labelsOf(told.events)).toEqual(await logged(world, start));
    expect(told.events).toHaveLength(count);
    expect(told).toMatchObject({ gaps: [], errors: [], completed: 0 });
    expect(proxy.connections()).toBeGreaterThan(3);
  });

  test('without a cursor of its own misses nothing from its first message on', async () => {
    const world = await createServerWorld(operations);
    const proxy = await cuttingProxy(world.url);
    const told = read(clientOf(proxy.url, world.key), { query: eventsDocument }, { backoff });
    await expect.poll(() => told.messages.length).toBe(1);
    proxy.cut();
    await world.write('while it was away');
    await expect.poll(() => labelsOf(told.events)).toEqual(['while it was away']);
  });

  test('is told of a gap, and of the events after it', async () => {
    const world = await createServerWorld(operations);
    const after = encodeCursor(Buffer.alloc(EPOCH_BYTES, 7), 3n);
    const told = read(clientOf(world.url, world.key), { query: eventsDocument, variables: { after } }, { backoff });
    await expect.poll(() => told.messages.length).toBe(1);
    await world.write('after the gap');
    await expect.poll(() => labelsOf(told.events)).toEqual(['after the gap']);
    expect(told.gaps).toEqual([{ reason: 'FOREIGN_EPOCH', oldestCursor: expect.any(String) }]);
    expect(told.messages[0]).toMatchObject({ __typename: 'ResumeGap', reason: 'FOREIGN_EPOCH' });
  });

  test('tells the events of a log that was cut back, though they have the cursors of those that were lost', async () => {
    const world = await createServerWorld(operations, { feed: { lookMs: 20 } });
    const { db } = operations.deps;
    const { projectId } = world.actor;
    const told = read(clientOf(world.url, world.key), { query: eventsDocument }, { backoff });
    await expect.poll(() => told.messages.length).toBe(1);
    const { eventSeq } = await db.project.findUniqueOrThrow({ where: { id: projectId } });
    for (const label of ['one', 'two']) await world.write(label);
    await expect.poll(() => labelsOf(told.events)).toEqual(['one', 'two']);
    await db.$transaction([
      db.event.deleteMany({ where: { projectId, seq: { gt: eventSeq } } }),
      db.project.update({ where: { id: projectId }, data: { eventSeq } }),
    ]);
    await expect.poll(() => told.gaps).toEqual([{ reason: 'BEYOND_END', oldestCursor: expect.any(String) }]);
    for (const label of ['uno', 'due', 'tre']) await world.write(label);
    await expect.poll(() => labelsOf(told.events)).toEqual(['one', 'two', 'uno', 'due', 'tre']);
    const cursors = told.events.map(({ cursor }) => cursor);
    expect(cursors.slice(0, 2)).toEqual(cursors.slice(2, 4));
  });

  test('comes back after it was too slow, and goes on where it was cut off', async () => {
    const world = await createServerWorld(operations, { feed: { maxWaitingEvents: 3 } });
    const told = read(clientOf(world.url, world.key), { query: eventsDocument }, { backoff });
    await expect.poll(() => told.messages.length).toBe(1);
    const many = Array.from({ length: 20 }, (_, n) => `event ${n}`);
    await transact(world.operations, world.actor, async ({ record }) => {
      for (const toStatus of many) record({ type: 'CLUSTER_UPDATED', toStatus });
    });
    await expect.poll(() => labelsOf(told.events)).toEqual(many);
    expect(told.messages.map(({ __typename }) => __typename)).toContain('SlowSubscriber');
    expect(told).toMatchObject({ errors: [], completed: 0 });
  });

  test('ends when its key is revoked, and does not come back with it', async () => {
    const world = await createServerWorld(operations);
    const proxy = await cuttingProxy(world.url);
    const { key, apiKeyId } = await world.createKey('VIEWER');
    const told = read(clientOf(proxy.url, key), { query: eventsDocument }, { backoff });
    await expect.poll(() => told.messages.length).toBe(1);
    await revokeApiKey(world.operations, world.actor, { apiKeyId });
    await expect.poll(() => told.errors.length, { timeout: 3_000 }).toBe(1);
    expect(String((told.errors[0] as Error).message)).toContain('4403');
    const connections = proxy.connections();
    // Nothing announces that nobody comes back: three times the longest pause between attempts.
    await delay(3 * backoff.longestMs);
    expect(proxy.connections()).toBe(connections);
  });

  test('ends with the server’s errors where it asks for what cannot be had', async () => {
    const world = await createServerWorld(operations);
    const variables = { after: 'no cursor' };
    const told = read(clientOf(world.url, world.key), { query: eventsDocument, variables }, { backoff });
    await expect.poll(() => told.errors.length).toBe(1);
    const [error] = told.errors as { errors?: object[]; graphQLErrors?: object[] }[];
    expect(error?.errors ?? error?.graphQLErrors).toMatchObject([{ extensions: { code: 'INVALID_INPUT' } }]);
  });
});

describe('a stream of a cluster', () => {
  const document = /* GraphQL */ `subscription ($id: ID!, $after: Cursor) {
    changes: cluster(id: $id, after: $after) {
      __typename
      ... on ClusterSnapshot { cursor cluster { name } }
      ... on EventBatch { cursor events { cursor toStatus } }
      ... on Heartbeat { cursor }
      ... on ResumeGap { reason }
    }
  }`;

  async function withCluster(world: World) {
    const cluster = await insertCluster({ operations }, world.actor, { name: 'orders' });
    const change = (toStatus: string) =>
      transact(world.operations, world.actor, async ({ record }) =>
        record({ type: 'CLUSTER_STATUS_CHANGED', clusterId: cluster.id, toStatus }),
      );
    return { id: cluster.globalId, change };
  }

  test('begins with the snapshot, and after a cut goes on without another', async () => {
    const world = await createServerWorld(operations);
    const proxy = await cuttingProxy(world.url);
    const { id, change } = await withCluster(world);
    const client = clientOf(proxy.url, world.key);
    const told = readers.subscribeWithResume(client, { query: document, variables: { id } }, { backoff });
    await expect.poll(() => told.messages.length).toBe(1);
    proxy.cut();
    await change('DOWN');
    await change('ACTIVE');
    await expect.poll(() => labelsOf(told.events)).toEqual(['DOWN', 'ACTIVE']);
    expect(told.messages.filter(({ __typename }) => __typename === 'ClusterSnapshot')).toHaveLength(1);
  });

  test('begins with a snapshot again after a gap', async () => {
    const world = await createServerWorld(operations);
    const { id, change } = await withCluster(world);
    const variables = { id, after: encodeCursor(Buffer.alloc(EPOCH_BYTES, 7), 3n) };
    const told = readers.subscribeWithResume(
      clientOf(world.url, world.key),
      { query: document, variables },
      { backoff },
    );
    await expect.poll(() => told.messages.length).toBe(2);
    await change('DOWN');
    await expect.poll(() => labelsOf(told.events)).toEqual(['DOWN']);
    expect(told.messages.slice(0, 2)).toMatchObject([
      { __typename: 'ResumeGap' },
      { __typename: 'ClusterSnapshot', cluster: { name: 'orders' } },
    ]);
    expect(told.gaps).toHaveLength(1);
  });
});

test('a server that stops is come back to within the jitter', async () => {
  const world = await createServerWorld(operations);
  const statuses: StreamStatus[] = [];
  const told = readers.subscribeWithResume(
    clientOf(world.url, world.key),
    { query: eventsDocument },
    { backoff: { firstMs: 4_000, random: () => 0.25 }, onStatus: (status) => statuses.push(status) },
  );
  await expect.poll(() => told.messages.length).toBe(1);
  await world.server.close();
  await expect.poll(() => statuses.length).toBe(3);
  expect(statuses).toEqual([
    { state: 'connecting' },
    { state: 'live' },
    { state: 'waiting', reason: expect.stringContaining('1001'), delayMs: 1_000, attempt: 1 },
  ]);
  expect(told.messages.map(({ __typename }) => __typename)).toEqual(['Heartbeat', 'Heartbeat']);
});

test('a subscription whose field is in a fragment of its root is resumed as any other', async () => {
  const world = await createServerWorld(operations);
  const proxy = await cuttingProxy(world.url);
  const query = `subscription ($after: Cursor) { ...Root } fragment Root on Subscription { told: events(after: $after) {
    ... on EventBatch { cursor events { toStatus } } ... on Heartbeat { cursor } } }`;
  const told = readers.subscribeWithResume(clientOf(proxy.url, world.key), { query }, { backoff });
  await expect.poll(() => told.messages.length).toBe(1);
  await world.write('one');
  await expect.poll(() => labelsOf(told.events)).toEqual(['one']);
  proxy.cut();
  await world.write('two');
  await world.write('three');
  await expect.poll(() => labelsOf(told.events)).toEqual(['one', 'two', 'three']);
});

test('of several processes of a Grove the next one tells what follows when one is lost', async () => {
  const world = await createServerWorld(operations);
  const [first, second] = [await cuttingProxy(world.url), await cuttingProxy(world.url)];
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const client = clientOf([nobody, first.url, second.url], world.key);
  const told = readers.subscribeWithResume(client, { query: eventsDocument }, { backoff });
  await expect.poll(() => told.messages.length).toBe(1);
  expect([first.connections(), second.connections()]).toEqual([1, 0]);
  first.cut();
  await world.write('behind the cut');
  await expect.poll(() => labelsOf(told.events)).toEqual(['behind the cut']);
  expect([first.connections(), second.connections()]).toEqual([1, 1]);
  second.cut();
  await world.write('behind the second cut');
  await expect.poll(() => labelsOf(told.events)).toEqual(['behind the cut', 'behind the second cut']);
  expect(first.connections()).toBe(2);
});

test('a client that has nowhere to connect to is none', () => {
  expect(() => createGroveClient({ url: [], key: 'grv_a_b' })).toThrow('There is no URL to connect to.');
});

test('a connection that carries nothing any more is left for another one', async () => {
  const world = await createServerWorld(operations, { feed: { heartbeatMs: 50 } });
  const proxy = await cuttingProxy(world.url);
  const client = clientOf(proxy.url, world.key);
  const options = { backoff, longestSilenceMs: 400 };
  const told = readers.subscribeWithResume(client, { query: eventsDocument }, options);
  await expect.poll(() => told.messages.length).toBeGreaterThan(0);
  proxy.freeze();
  await world.write('behind the frozen connection');
  await expect.poll(() => labelsOf(told.events), { timeout: 3_000 }).toEqual(['behind the frozen connection']);
});

test('a reader that takes its time holds a bounded number of messages, and misses none', async () => {
  const world = await createServerWorld(operations);
  const start = await world.feed.cursorNow(world.actor.projectId);
  const statuses: string[] = [];
  const client = clientOf(world.url, world.key);
  const received = new Set<string>();
  client.on('message', (message) => message.type === 'next' && received.add(JSON.stringify(message)));
  const messages = iterateWithResume<{ events: { events?: { toStatus: string }[] } }>(
    client,
    { query: eventsDocument, variables: { after: start } },
    { backoff, mostWaiting: 5, onStatus: ({ state }) => statuses.push(state) },
  );
  const first = messages.next();
  const count = 60;
  for (let n = 0; n < count; n++) {
    await world.write(`event ${n}`);
    await delay(5);
  }
  // Each write was a message of its own, and the reader has asked for one: the client has let go of the stream.
  expect(received.size).toBeLessThan(count / 2);
  const { value } = await first;
  const labels = labelsOf(value?.data?.events.events ?? []);
  for await (const { data } of messages) {
    labels.push(...labelsOf(data?.events.events ?? []));
    if (labels.length >= count) break;
  }
  expect(labels).toEqual(await logged(world, start));
  expect(statuses.filter((state) => state === 'connecting').length).toBeGreaterThan(1);
});

test('an operation’s stream ends with it; a client that is disposed of ends every stream', async () => {
  const world = await createServerWorld(operations);
  const cluster = await insertCluster({ operations }, world.actor, {});
  const { globalId } = await insertOperation({ operations }, world.actor, cluster.id, {
    status: 'SUCCEEDED',
    finishedAt: new Date(),
  });
  const client = clientOf(world.url, world.key);
  const query = 'subscription ($id: ID!) { operation(id: $id) { status } }';
  const operation = readers.subscribeWithResume(client, { query, variables: { id: globalId } }, { backoff });
  await expect.poll(() => operation.completed).toBe(1);
  expect(operation.messages).toEqual([{ status: 'SUCCEEDED' }]);
  const log = readers.subscribeWithResume(client, { query: eventsDocument }, { backoff });
  await expect.poll(() => log.messages.length).toBe(1);
  await client.dispose();
  await expect.poll(() => log.completed).toBe(1);
});

test('a sink that throws ends its stream with what it threw, and the event does not count', async () => {
  const world = await createServerWorld(operations);
  const error = await new Promise<Error>((resolve) => {
    const next = () => {
      throw new Error('the disk is full');
    };
    const complete = () => resolve(new Error('completed'));
    subscribeWithResume(clientOf(world.url, world.key), { query: eventsDocument }, { next, error: resolve, complete });
  });
  expect(error.message).toBe('the disk is full');
});
