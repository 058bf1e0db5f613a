import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { revokeApiKey } from '#auth/revokeApiKey.ts';
import { toGlobalId } from '#graphql/globalId.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { createServerWorld, type SentEvent } from './serverWorld.ts';

const everything = `subscription { events { __typename
  ... on EventBatch { cursor events { toStatus } }
  ... on Heartbeat { cursor }
  ... on ResumeGap { reason } } }`;

type Message = { data: { events: { __typename: string; cursor: string; events?: { toStatus: string }[] } } };
const parse = ({ data }: SentEvent) => (JSON.parse(data ?? '') as Message).data.events;
const labels = (message: Message['data']['events']) => message.events?.map(({ toStatus }) => toStatus);

describe('streams', () => {
  let operations: TestOperations;
  beforeAll(async () => {
    operations = await createTestOperations({ working: false });
    return () => operations.close();
  });

  test('go over a WebSocket, signed in by any of the usual payloads', async () => {
    const { socket, write, feed, actor, key } = await createServerWorld(operations);
    const cursor = await feed.cursorNow(actor.projectId);
    await write('one');
    const payloads = [{ authorization: `Bearer ${key}` }, { Authorization: `Bearer ${key}` }, { apiKey: key }];
    for (const payload of payloads) {
      const { client } = socket(payload);
      const query = everything.replace('events {', `events(after: "${cursor}") {`);
      for await (const { data } of client.iterate<Message['data']>({ query })) {
        expect(labels((data as Message['data']).events)).toEqual(['one']);
        break;
      }
    }
  });

  test('are refused on a WebSocket without a valid key', async () => {
    const { socket } = await createServerWorld(operations);
    for (const payload of [{}, { authorization: 'Bearer grv_wrong_wrong' }, { apiKey: 5 }]) {
      expect(await socket(payload).closed).toMatchObject({ code: 4403 });
    }
  });

  test('refuse a document that is not valid without closing the WebSocket', async () => {
    const { socket } = await createServerWorld(operations);
    const { client } = socket();
    const ask = async (query: string) => {
      for await (const answer of client.iterate({ query })) return answer;
      return null;
    };
    await expect(ask('{ nonsense }')).rejects.toMatchObject([{ message: expect.stringContaining('nonsense') }]);
    await expect(ask('{')).rejects.toMatchObject([{ message: expect.stringContaining('Syntax Error') }]);
    expect(await ask('{ __typename }')).toEqual({ data: { __typename: 'Query' } });
  });

  test('go as server-sent events with the cursor as id, and resume after Last-Event-ID', async () => {
    const { stream, write, feed } = await createServerWorld(operations, { feed: { heartbeatMs: 50 } });
    const first = await stream(everything);
    expect(first.response.headers.get('content-type')).toBe('text/event-stream');
    const heartbeat = (await first.events.next()).value as SentEvent;
    expect(heartbeat).toMatchObject({ event: 'next', id: parse(heartbeat).cursor });
    await first.events.return('ended');
    await write('one');
    await write('two');
    const second = await stream(everything, { 'last-event-id': heartbeat.id ?? '' });
    const batch = (await second.events.next()).value as SentEvent;
    expect(labels(parse(batch))).toEqual(['one', 'two']);
    await second.events.return('ended');

    // A client that comes back repeats the document as it was.
    const stale = everything.replace('events {', `events(after: "${heartbeat.id}") {`);
    await write('three');
    const third = await stream(stale, { 'last-event-id': batch.id ?? '' });
    expect(labels(parse((await third.events.next()).value as SentEvent))).toEqual(['three']);
    await third.events.return('ended');

    const malformed = await stream(everything, { 'last-event-id': 'nonsense' });
    expect(await malformed.response.text()).toContain('"code":"INVALID_INPUT"');
    expect(feed.decode(batch.id ?? '')).toMatchObject({ ok: true });
  });

  test('end at the reader’s wish, and leave nothing behind', async () => {
    const { stream, server } = await createServerWorld(operations);
    const leaving = new AbortController();
    const { events } = await stream(everything, {}, leaving.signal);
    const last = events.next();
    leaving.abort();
    expect(await last).toEqual({ done: true, value: 'broken' });
    const begun = performance.now();
    await server.close();
    expect(performance.now() - begun).toBeLessThan(600);
  });

  test('end within two seconds of the key’s revocation, and those of other keys do not', async () => {
    const { socket, stream, createKey, actor, operations: deps } = await createServerWorld(operations);
    const { key, apiKeyId } = await createKey();
    const { closed, client } = socket({ apiKey: key });
    const accepted = ['text/event-stream', '*/*', 'application/json, */*', 'text/*'];
    const streams = await Promise.all(
      accepted.map((accept) => stream(everything, { authorization: `Bearer ${key}`, accept })),
    );
    const other = socket();
    await client.iterate({ query: '{ __typename }' }).next();
    await other.client.iterate({ query: '{ __typename }' }).next();
    await revokeApiKey(deps, actor, { apiKeyId });
    const late = delay(2_000, 'late', { ref: false });
    expect(await Promise.race([closed, late])).toMatchObject({ code: 4403 });
    for (const [index, { events }] of streams.entries()) {
      expect(await Promise.race([events.next(), late]), accepted[index]).toEqual({ done: true, value: 'broken' });
    }
    expect(await other.client.iterate({ query: '{ __typename }' }).next()).toMatchObject({ done: false });
  });

  test.each(['*/*', 'application/json, */*', 'text/*'])('are the same to a client that accepts %s', async (accept) => {
    const { stream, server } = await createServerWorld(operations, { feed: { heartbeatMs: 50 } });
    const { response, events } = await stream(everything, { accept });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const heartbeat = (await events.next()).value as SentEvent;
    expect(heartbeat).toMatchObject({ event: 'next', id: parse(heartbeat).cursor });
    const closed = server.close();
    const sent = [];
    for await (const { event } of events) sent.push(event);
    expect(sent).not.toContain('complete');
    await closed;
  });

  test('are refused to a client that does not accept them', async () => {
    const { stream } = await createServerWorld(operations);
    const { response } = await stream(everything, { accept: 'application/json' });
    expect(response.status).toBe(406);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'NOT_ACCEPTABLE' } }] });
  });

  test.each(['POST', 'GET'] as const)(
    'are refused to a client that says nothing of what it accepts, by %s',
    async (method) => {
      const { url, key } = await createServerWorld(operations);
      const target = method === 'GET' ? `?query=${encodeURIComponent(everything)}` : '';
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
      const asking = request(`${url}/graphql${target}`, { method, headers });
      asking.end(method === 'POST' ? JSON.stringify({ query: everything }) : undefined);
      const [response] = (await once(asking, 'response')) as [IncomingMessage];
      expect(response.statusCode).toBe(406);
      expect(await json(response)).toEqual({
        errors: [
          {
            message: 'A subscription is answered as text/event-stream: accept that, or subscribe over a WebSocket.',
            extensions: { code: 'NOT_ACCEPTABLE' },
          },
        ],
      });
    },
  );

  test('who revokes the own key hears of it', async () => {
    const { post, createKey } = await createServerWorld(operations);
    const { key, apiKeyId } = await createKey();
    const query = 'mutation ($id: ID!) { revokeApiKey(input: { apiKeyId: $id }) { __typename } }';
    const own = { authorization: `Bearer ${key}` };
    const answer = await post({ query, variables: { id: toGlobalId('ApiKey', apiKeyId) } }, own);
    expect(await answer.json()).toEqual({ data: { revokeApiKey: { __typename: 'RevokeApiKeyPayload' } } });
    expect((await post({ query: '{ __typename }' }, own)).status).toBe(401);
  });

  test('end within two seconds of the key’s expiry', async () => {
    const { socket, createKey } = await createServerWorld(operations);
    const expiresAt = new Date(Date.now() + 500);
    const { key } = await createKey('VIEWER', expiresAt);
    expect(await socket({ apiKey: key }).closed).toMatchObject({ code: 4403 });
    expect(Date.now() - expiresAt.getTime()).toBeLessThan(2_000);
  });

  test('end on closing with a last heartbeat and “come back”, not with “complete”', async () => {
    const { url, key, stream, server, feed, actor } = await createServerWorld(operations);
    const cursor = await feed.cursorNow(actor.projectId);
    const sse = await stream(everything);
    const opening = { type: 'next', payload: { data: { events: { __typename: 'Heartbeat', cursor } } } };
    expect((await sse.events.next()).value).toMatchObject({ event: 'next', id: cursor });
    const raw = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const heard: { type: string; payload?: Message }[] = [];
    const closed = new Promise<number>((resolve) => raw.once('close', resolve));
    const acknowledged = new Promise<void>((resolve) =>
      raw.on('message', (text) => {
        heard.push(JSON.parse(String(text)));
        if (heard.length === 1) resolve();
      }),
    );
    raw.once('open', () => raw.send(JSON.stringify({ type: 'connection_init', payload: { apiKey: key } })));
    await acknowledged;
    raw.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query: everything } }));
    raw.send(JSON.stringify({ type: 'subscribe', id: '2', payload: { query: '{ __typename }' } }));
    await expect.poll(() => heard.some(({ type }) => type === 'complete')).toBe(true);

    const begun = performance.now();
    // One who takes nothing holds the feed's end up, and not the others.
    const stuck = feed.subscribe({ projectId: actor.projectId, after: feed.encode(0n) })[Symbol.asyncIterator]();
    await stuck.next();
    const closing = server.close();
    expect((await fetch(`${url}/healthz`).catch(() => null))?.status ?? 'refused').toBe('refused');
    await closing;
    expect(performance.now() - begun).toBeLessThan(2_000);
    expect(await closed).toBe(1001);
    const ofStream = heard.filter((message) => 'id' in message && message.id === '1');
    expect(ofStream).toMatchObject([opening, opening]);
    const last = (await sse.events.next()).value as SentEvent;
    expect(last).toMatchObject({ event: 'next', id: cursor });
    expect(await sse.events.next()).toMatchObject({ done: true });
  });
});
