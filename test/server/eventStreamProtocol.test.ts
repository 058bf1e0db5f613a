import { request } from 'node:http';
import { GraphQLScalarType } from 'graphql';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Actor } from '#domain/actor.ts';
import { transact } from '#events/transact.ts';
import { at, insertCluster, insertOperation } from '../graphql/graphqlWorld.ts';
import { cuttableDatabase } from '../support/cuttableDatabase.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { RawSocket } from '../support/rawSocket.ts';
import { createServerWorld, faultySchema, type SentEvent, type ServerWorldOptions } from './serverWorld.ts';

const everything = `subscription { events { __typename
  ... on EventBatch { cursor events { toStatus } } ... on Heartbeat { cursor } ... on ResumeGap { reason oldestCursor }
  ... on SlowSubscriber { cursor } } }`;
const internalError = {
  message: expect.stringMatching(/^Internal error [\w-]{36}$/),
  extensions: { code: 'INTERNAL_ERROR', errorId: expect.any(String) },
};
const afterCursor = (cursor: string, document = everything) =>
  document.replace('events {', `events(after: "${cursor}") {`);
const inline = (root: string) => `{ ... ${root} }`;
const dataOf = ({ value }: { value: SentEvent | string }) =>
  JSON.parse((value as SentEvent).data ?? 'null').data?.events;

describe('server-sent events', () => {
  let operations: TestOperations;
  beforeAll(async () => {
    operations = await createTestOperations({ working: false });
    return () => operations.close();
  });

  const world = (options: ServerWorldOptions = {}) => createServerWorld(operations, options);

  /** The text of a stream up to where it is enough, read without any parser in between. */
  function textOf(url: string, options: { key: string; query: string; enough: RegExp; headers?: object }) {
    const { promise, resolve, reject } = Promise.withResolvers<{ text: string; headers: Record<string, unknown> }>();
    const asking = request(
      `${url}/graphql`,
      {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'text/event-stream',
          authorization: `Bearer ${options.key}`,
          ...options.headers,
        },
      },
      (response) => {
        let text = '';
        const look = () => {
          if (!options.enough.test(text)) return;
          resolve({ text, headers: response.headers });
          asking.destroy();
        };
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
          look();
        });
        response.on('error', () => {});
        response.on('end', () => resolve({ text, headers: response.headers }));
      },
    );
    asking.on('error', reject).end(JSON.stringify({ query: options.query }));
    return promise;
  }

  test('begin at once, with a comment, and are not to be kept or held back by what is in between', async () => {
    const { url, key } = await world();
    const { text, headers } = await textOf(url, { key, query: everything, enough: /\n\n/ });
    expect(text).toBe(':\n\n');
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    });
  });

  test('are one message each: id, event, data in one line, an empty line', async () => {
    const { url, key, feed, actor, write } = await world();
    const cursor = await feed.cursorNow(actor.projectId);
    await write('line one\nline two\r\u2028 ü');
    const query = afterCursor(cursor);
    const { text } = await textOf(url, { key, query, enough: /next[\s\S]*\n\n/ });
    const id = await feed.cursorNow(actor.projectId);
    const events = { __typename: 'EventBatch', cursor: id, events: [{ toStatus: 'line one\nline two\r\u2028 ü' }] };
    expect(text).toBe(`:\n\nid: ${id}\nevent: next\ndata: ${JSON.stringify({ data: { events } })}\n\n`);
  });

  test('have the cursor of an aliased field as id, and no id where it is not selected', async () => {
    const { stream } = await world({ feed: { heartbeatMs: 30 } });
    const aliased = await stream('subscription { told: events { ... on Heartbeat { cursor } } }');
    const message = (await aliased.events.next()).value as SentEvent;
    expect(message.id).toBe(JSON.parse(message.data ?? '').data.told.cursor);
    const without = await stream('subscription { events { __typename } }');
    expect(await without.events.next()).toMatchObject({ value: { event: 'next', data: expect.any(String) } });
    expect('id' in ((await without.events.next()).value as SentEvent)).toBe(false);
    await aliased.events.return('ended');
    await without.events.return('ended');
  });

  test('stay open with a comment every twelve seconds', async () => {
    const { url, key, feed, actor } = await world({ feed: { heartbeatMs: 60_000 } });
    const query = afterCursor(await feed.cursorNow(actor.projectId));
    vi.useFakeTimers({ toFake: ['setInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const text = textOf(url, { key, query, enough: /^(:\n\n){3}$/ });
    await vi.waitFor(() => expect(vi.getTimerCount()).toBeGreaterThan(0));
    vi.advanceTimersByTime(12_000);
    vi.advanceTimersByTime(12_000);
    expect((await text).text).toBe(':\n\n:\n\n:\n\n');
  });

  test('go over GET too, with the query in the address', async () => {
    const { url, key, feed, actor, write } = await world();
    const cursor = await feed.cursorNow(actor.projectId);
    await write('one');
    const leaving = new AbortController();
    const address = new URL(`${url}/graphql`);
    address.searchParams.set(
      'query',
      `subscription ($c: Cursor) { events(after: $c) { ... on EventBatch { cursor } } }`,
    );
    address.searchParams.set('variables', JSON.stringify({ c: cursor }));
    const response = await fetch(address, {
      headers: { accept: 'text/event-stream', authorization: `Bearer ${key}` },
      signal: leaving.signal,
    });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    leaving.abort();
  });

  test('of a stream that ends by itself end with “complete”', async () => {
    const { stream, actor } = await world();
    const cluster = await insertCluster({ operations } as never, actor);
    const ended = await insertOperation({ operations } as never, actor, cluster.id, {
      status: 'FAILED',
      finishedAt: at(9),
    });
    const { events } = await stream(`subscription { operation(id: "${ended.globalId}") { status } }`);
    expect(await events.next()).toMatchObject({ value: { event: 'next', data: expect.stringContaining('FAILED') } });
    expect(await events.next()).toMatchObject({ value: { event: 'complete' } });
    expect(await events.next()).toEqual({ done: true, value: 'ended' });
  });

  test('of a stream that breaks say so in a message of their own, end with “complete”, and leave nothing behind', async () => {
    const canary = () => {
      throw new Error('canary');
    };
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const { stream, post } = await world({ schema: faultySchema(canary) });
    const before = vi.getTimerCount();
    const { events } = await stream('subscription { faulty }');
    expect(await events.next()).toMatchObject({ value: { data: '{"data":{"faulty":"first"}}' } });
    const { value } = await events.next();
    expect(value).toMatchObject({ event: 'next' });
    expect(JSON.parse((value as SentEvent).data ?? '')).toEqual({ errors: [internalError] });
    expect(await events.next()).toMatchObject({ value: { event: 'complete' } });
    expect(await events.next()).toEqual({ done: true, value: 'ended' });
    expect(vi.getTimerCount()).toBe(before);
    expect((await post({ query: '{ fine }' })).status).toBe(200);
  });

  test('that cannot be written break off without “complete”, and leave nothing behind', async () => {
    const logged: unknown[] = [];
    const logger = Object.assign(Object.create(operations.deps.logger) as typeof operations.deps.logger, {
      error: (entry: unknown) => logged.push(entry),
    });
    const schema = faultySchema(() => {});
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const { stream, post } = await createServerWorld(
      { ...operations, deps: { ...operations.deps, logger } },
      { schema },
    );
    const before = vi.getTimerCount();
    const field = schema.getSubscriptionType()?.getFields().faulty;
    Object.assign(field ?? {}, { type: new GraphQLScalarType({ name: 'Unwritable', serialize: () => 1n }) });
    const { events } = await stream('subscription { faulty }');
    expect(await events.next()).toEqual({ done: true, value: 'ended' });
    expect(vi.getTimerCount()).toBe(before);
    expect(logged).toEqual([{ err: expect.any(TypeError) }]);
    expect((await post({ query: '{ fine }' })).status).toBe(200);
  });

  test('of a stream whose beginning cannot be read say so, and harm nobody else', async () => {
    const store = await createTestDatabase();
    onTestFinished(() => store.close());
    const { db: looks, way } = await cuttableDatabase(store.url);
    const { stream, post } = await world({ looks });
    way.close();
    const { events } = await stream('subscription { events { __typename } }');
    const { value } = await events.next();
    expect(JSON.parse((value as SentEvent).data ?? '')).toEqual({ errors: [internalError] });
    expect(await events.next()).toMatchObject({ value: { event: 'complete' } });
    expect((await post({ query: '{ __typename }' })).status).toBe(200);
  });

  test('need a key', async () => {
    const { stream } = await world();
    const { response } = await stream(everything, { authorization: 'Bearer grv_wrong' });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
  });

  test.each([
    ['a syntax error', 'subscription {', 'Syntax Error'],
    ['an unknown field', 'subscription { nonsense }', 'nonsense'],
    ['two root fields', 'subscription { events { __typename } b: events { __typename } }', 'must select only one'],
    ['what is no cursor', afterCursor('nonsense'), 'INVALID_INPUT'],
    ['a cluster that is not there', 'subscription { cluster(id: "nothing") { __typename } }', 'NOT_FOUND'],
  ])('are refused with the reason, and end: %s', async (_name, query, reason) => {
    const { stream } = await world();
    const { response } = await stream(query);
    expect(await response.text()).toContain(reason);
  });

  describe('Last-Event-ID', () => {
    test('resumes after it, whatever the document says, once and in order', async () => {
      const { stream, write, feed, actor } = await world();
      const start = await feed.cursorNow(actor.projectId);
      await write('one');
      const middle = await feed.cursorNow(actor.projectId);
      await write('two');
      await write('three');
      for (const query of [everything, afterCursor(start), afterCursor('nonsense')]) {
        const { events } = await stream(query, { 'last-event-id': middle });
        expect(dataOf(await events.next()).events).toEqual([{ toStatus: 'two' }, { toStatus: 'three' }]);
        await events.return('ended');
      }
    });

    test.each([
      ['a fragment', 'subscription { ...Root } fragment Root on Subscription', (root: string) => root],
      [
        'fragments in fragments',
        'subscription { ... on Subscription { ...Root } } fragment Root on Subscription',
        inline,
      ],
    ])('resumes after it where the root field is in %s', async (_name, head, tail) => {
      const { stream, write, feed, actor } = await world();
      const start = await feed.cursorNow(actor.projectId);
      await write('one');
      await write('two');
      for (const root of [everything, afterCursor('nonsense')].map((document) =>
        document.replace('subscription ', ''),
      )) {
        const { events } = await stream(`${head} ${tail(root)}`, { 'last-event-id': start });
        expect(dataOf(await events.next()).events).toEqual([{ toStatus: 'one' }, { toStatus: 'two' }]);
        await events.return('ended');
      }
    });

    test('of another history is told as a gap, which carries no id: the client’s stays', async () => {
      const { stream, feed, actor } = await world();
      const foreign = Buffer.from(await feed.cursorNow(actor.projectId), 'base64url');
      foreign.writeUInt8((foreign.readUInt8(1) + 1) % 256, 1);
      const { events } = await stream(everything, { 'last-event-id': foreign.toString('base64url') });
      const gap = await events.next();
      expect(dataOf(gap)).toMatchObject({ __typename: 'ResumeGap', reason: 'FOREIGN_EPOCH' });
      expect('id' in (gap.value as SentEvent)).toBe(false);
      await events.return('ended');
    });

    test('is nothing to a field that takes no cursor, nor to a query', async () => {
      const { stream, post, actor, feed } = await world();
      const cluster = await insertCluster({ operations } as never, actor);
      const ended = await insertOperation({ operations } as never, actor, cluster.id, {
        status: 'FAILED',
        finishedAt: at(9),
      });
      const header = { 'last-event-id': await feed.cursorNow(actor.projectId) };
      const { events } = await stream(`subscription { operation(id: "${ended.globalId}") { status } }`, header);
      expect(await events.next()).toMatchObject({ value: { data: expect.stringContaining('FAILED') } });
      await events.return('ended');
      expect(await (await post({ query: '{ __typename }' }, header)).json()).toEqual({ data: { __typename: 'Query' } });
    });
  });

  /** More than any socket takes up for a reader that does not read. */
  async function flood(actor: Actor, events: number): Promise<void> {
    for (let written = 0; written < events; written += 100) {
      await transact(operations.deps, actor, async ({ record }) => {
        for (let index = 0; index < 100; index += 1) {
          record({ type: 'CLUSTER_UPDATED', toStatus: `${written + index}`, payload: { text: 'x'.repeat(8_000) } });
        }
      });
    }
  }

  test('a reader that does not read loses its stream with the cursor to resume from, over either transport', async () => {
    const document = everything.replace('{ toStatus }', '{ toStatus payload }');
    const { url, key, feed, actor } = await world();
    const cursor = await feed.cursorNow(actor.projectId);
    const { promise: responding, resolve } = Promise.withResolvers<import('node:http').IncomingMessage>();
    const headers = { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${key}` };
    const asking = request(`${url}/graphql`, { method: 'POST', headers }, resolve);
    asking.on('error', () => {}).end(JSON.stringify({ query: afterCursor(cursor, document) }));
    const response = await responding;
    const socket = await (await RawSocket.open(url)).signIn(key);
    socket.send({ type: 'subscribe', id: 's', payload: { query: afterCursor(cursor, document) } });
    await socket.settled();
    socket.socket.pause();

    const total = 3_000;
    await flood(actor, total);
    const labels = (batches: { events?: { toStatus: string }[] }[]) =>
      batches.flatMap(({ events = [] }) => events.map(({ toStatus }) => Number(toStatus)));
    const inOrder = (count: number) => Array.from({ length: count }, (_, index) => index);

    socket.socket.resume();
    const heard = [];
    for (let message = await socket.next(); message.type === 'next'; message = await socket.next()) {
      heard.push(message.payload.data.events);
    }
    expect(heard.at(-1)).toMatchObject({ __typename: 'SlowSubscriber' });
    const told = labels(heard);
    expect(told.length).toBeLessThan(total);
    expect(told).toEqual(inOrder(told.length));

    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    expect(text.trimEnd().endsWith('event: complete\ndata:')).toBe(true);
    const messages = [...text.matchAll(/^data: (.+)$/gm)].map(([, data = '']) => JSON.parse(data).data.events);
    const last = messages.at(-1);
    expect(last).toMatchObject({ __typename: 'SlowSubscriber' });
    const sent = labels(messages);
    expect(sent.length).toBeLessThan(total);
    expect(sent).toEqual(inOrder(sent.length));
    const resumed = await RawSocket.open(url).then((again) => again.signIn(key));
    resumed.send({ type: 'subscribe', id: 's', payload: { query: afterCursor(last.cursor) } });
    expect((await resumed.next()).payload.data.events.events[0]).toEqual({ toStatus: `${sent.length}` });
    resumed.socket.terminate();
    socket.socket.terminate();
  }, 60_000);
});
