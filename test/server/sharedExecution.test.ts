import fc from 'fast-check';
import type { GraphQLObjectType } from 'graphql';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Actor } from '#domain/actor.ts';
import { transact } from '#events/transact.ts';
import { buildSchema } from '#graphql/schema.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { insertCluster } from '../graphql/graphqlWorld.ts';
import { assertWithin } from '../support/assertWithin.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { RawSocket } from '../support/rawSocket.ts';
import { createServerWorld, type SentEvent } from './serverWorld.ts';

const documentOf = (cluster: string) => `subscription ($after: Cursor, $filter: EventFilter) {
  events(after: $after, filter: $filter) { __typename
    ... on EventBatch { cursor events { cursor type toStatus payload cluster { ${cluster} } } }
    ... on Heartbeat { cursor } } }`;
const shared = documentOf('name');
/** What can be done depends on more than the project and the role, as far as the server knows: it is answered for each alone. */
const unshared = documentOf('name allowedActions { action }');

describe('shared execution', () => {
  let operations: TestOperations;
  const schema = buildSchema();
  let executions = 0;
  beforeAll(async () => {
    operations = await createTestOperations({ working: false });
    const { payload } = assertPresent(schema.getType('Event') as GraphQLObjectType, 'Event').getFields();
    const resolve = assertPresent(payload?.resolve, 'the resolver of payload');
    Object.assign(assertPresent(payload, 'payload'), {
      resolve: (...args: Parameters<typeof resolve>) => {
        executions += 1;
        return resolve(...args);
      },
    });
    return () => operations.close();
  });

  const writeTo = (actor: Actor, clusterId: string, ...labels: string[]) =>
    transact(operations.deps, actor, async ({ record }) => {
      for (const toStatus of labels) record({ type: 'CLUSTER_UPDATED', clusterId, toStatus });
    });

  async function world() {
    const server = await createServerWorld(operations, { schema, feed: { heartbeatMs: 60_000 } });
    const cluster = await insertCluster({ operations } as never, server.actor, {});
    const open = async (key = server.key) => {
      const socket = await (await RawSocket.open(server.url)).signIn(key);
      onTestFinished(() => socket.socket.terminate());
      return socket;
    };
    const subscribed = async (query: string, key?: string, variables: object = {}) => {
      const socket = await open(key);
      const after = await server.feed.cursorNow(server.actor.projectId);
      socket.send({
        type: 'subscribe',
        id: crypto.randomUUID(),
        payload: { query, variables: { after, ...variables } },
      });
      await socket.settled();
      return socket;
    };
    return { ...server, cluster, open, subscribed };
  }

  /** How often one event was read, with so many subscribers. */
  async function executionsFor(query: string, subscribers: number, oneKeyEach = false) {
    const { subscribed, createKey, actor, cluster } = await world();
    const keys: (string | undefined)[] = [];
    for (let count = 0; count < subscribers; count += 1) {
      keys.push(oneKeyEach ? (await createKey('VIEWER')).key : undefined);
    }
    const sockets = await Promise.all(keys.map((key) => subscribed(query, key)));
    executions = 0;
    await writeTo(actor, cluster.id, 'told');
    const messages = await Promise.all(sockets.map((socket) => socket.next()));
    for (const { payload } of messages) expect(payload.data.events.events).toMatchObject([{ toStatus: 'told' }]);
    return executions;
  }

  test('answers once for subscribers that ask the same, also with different keys of one role', async () => {
    expect(await executionsFor(shared, 1)).toBe(1);
    expect(await executionsFor(shared, 20)).toBe(1);
    expect(await executionsFor(shared, 5, true)).toBe(1);
  });

  test('answers each alone where the answer may depend on the viewer', async () => {
    expect(await executionsFor(unshared, 5)).toBe(5);
  });

  test('tells SSE and WebSockets the same', async () => {
    const { subscribed, stream, feed, actor, cluster } = await world();
    const socket = await subscribed(shared);
    const after = await feed.cursorNow(actor.projectId);
    const { events } = await stream(
      shared.replace(/\(\$.*?\)/, '').replace('(after: $after, filter: $filter)', `(after: "${after}")`),
    );
    const sent = events.next();
    const watched = await subscribed(shared);
    executions = 0;
    await writeTo(actor, cluster.id, 'one');
    const { data } = JSON.parse(((await sent).value as SentEvent).data ?? '');
    expect((await socket.next()).payload.data).toEqual(data);
    expect((await watched.next()).payload.data).toEqual(data);
    expect(data.events.events).toMatchObject([{ toStatus: 'one', cluster: { name: expect.any(String) } }]);
    // The two documents differ: one has the cursor in it, the other in a variable.
    expect(executions).toBe(2);
    await events.return('ended');
  });

  test('ends for the subscriber whose key is given another role, before the next event, and goes on for others', async () => {
    const { subscribed, createKey, actor, cluster } = await world();
    const { key, apiKeyId } = await createKey('ADMIN');
    const [leaving, staying] = [await subscribed(shared, key), await subscribed(shared)];
    await operations.deps.db.apiKey.update({ where: { id: apiKeyId }, data: { role: 'VIEWER' } });
    operations.deps.bus.publish('keys');
    expect(await leaving.closed).toMatchObject({ code: 4403 });
    await writeTo(actor, cluster.id, 'after');
    expect((await staying.next()).payload.data.events.events).toMatchObject([{ toStatus: 'after' }]);
    expect(leaving.unread).toEqual([]);
  });

  const subscriber = fc.record({
    query: fc.constantFrom(shared, unshared),
    start: fc.nat(6),
    filtered: fc.boolean(),
    leavesAfter: fc.integer({ min: 1, max: 4 }),
    role: fc.constantFrom('ADMIN', 'VIEWER'),
  });
  const plan = fc.record({
    before: fc.integer({ min: 6, max: 12 }),
    transactions: fc.array(fc.array(fc.constantFrom('wanted', 'other'), { minLength: 1, maxLength: 4 }), {
      minLength: 5,
      maxLength: 25,
    }),
    subscribers: fc.array(subscriber, { minLength: 2, maxLength: 8 }),
  });

  test('shows everybody the same as alone: what came after its cursor, filtered, once and in order', async () => {
    const { open, createKey, feed, key } = await world();
    await assertWithin(
      fc.asyncProperty(plan, async ({ before, transactions, subscribers }) => {
        const { key: viewerKey, actor } = await createKey('VIEWER');
        const start = await feed.cursorNow(actor.projectId);
        const decoded = feed.decode(start);
        const first = decoded.ok ? decoded.seq : expect.fail('a foreign cursor');
        const cluster = await insertCluster({ operations } as never, actor, {});
        for (let count = 0; count < before; count += 1) await writeTo(actor, cluster.id, 'wanted');
        const total = before + transactions.flat().length;

        const read = async ({ query, start: skip, filtered, leavesAfter, role }: (typeof subscribers)[number]) => {
          const filter = filtered ? { toStatuses: ['wanted'] } : null;
          const seen: { cursor: string; toStatus: string; cluster: object }[] = [];
          let after = feed.encode(first + BigInt(skip));
          const end = feed.encode(first + BigInt(total));
          for (let session = 0; after !== end; session += 1) {
            const socket = await open(role === 'ADMIN' ? key : viewerKey);
            socket.send({ type: 'subscribe', id: 's', payload: { query, variables: { after, filter } } });
            for (let taken = 0; after !== end && (session > 0 || taken < leavesAfter); taken += 1) {
              const message = (await socket.next()).payload.data.events;
              seen.push(...(message.events ?? []));
              after = message.cursor;
              // The last events may be filtered out, and the cursor behind them comes with a heartbeat, which is far away here.
              if (filtered && isLastWanted(message.events ?? [])) after = end;
            }
            socket.socket.terminate();
          }
          return { query, skip, filtered, seen };
        };
        const lastWanted = first + BigInt(before + transactions.flat().lastIndexOf('wanted') + 1);
        const isLastWanted = (events: { cursor: string }[]) =>
          events.some(({ cursor }) => cursor === feed.encode(lastWanted));

        const reading = Promise.all(subscribers.map(read));
        for (const labels of transactions) await writeTo(actor, cluster.id, ...labels);
        const labels = [...Array.from({ length: before }, () => 'wanted'), ...transactions.flat()];
        for (const { skip, filtered, seen, query } of await reading) {
          const expected = labels
            .map((toStatus, index) => ({ cursor: feed.encode(first + BigInt(index + 1)), toStatus }))
            .slice(skip)
            .filter(({ toStatus }) => !filtered || toStatus === 'wanted');
          expect(seen.map(({ cursor, toStatus }) => ({ cursor, toStatus }))).toEqual(expected);
          const { name } = await operations.deps.db.cluster.findUniqueOrThrow({ where: { id: cluster.id } });
          for (const event of seen) {
            expect(event).toMatchObject({ type: 'CLUSTER_UPDATED', payload: {}, cluster: { name } });
            expect('allowedActions' in event.cluster).toBe(query === unshared);
          }
        }
      }),
      { runs: 12, leastRuns: 6, withinMs: 40_000 },
    );
  }, 60_000);
});
