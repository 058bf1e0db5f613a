import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { RawSocket, type RawSocketOptions } from '../support/rawSocket.ts';
import { createServerWorld, faultySchema, type ServerWorldOptions } from './serverWorld.ts';

/**
 * The text of the protocol, case by case: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. What stands in quotes in
 * the names of the groups is said there.
 */
const stream = `subscription { events { __typename ... on EventBatch { cursor events { toStatus } } ... on Heartbeat { cursor } } }`;
const subscribe = (id: unknown, query: unknown = '{ __typename }', more: object = {}) => ({
  type: 'subscribe',
  id,
  payload: { query, ...more },
});

describe('graphql-transport-ws', () => {
  let operations: TestOperations;
  beforeAll(async () => {
    operations = await createTestOperations({ working: false });
    return () => operations.close();
  });

  async function world(options: ServerWorldOptions = {}) {
    const server = await createServerWorld(operations, options);
    const open = async (socketOptions: RawSocketOptions = {}) => {
      const socket = await RawSocket.open(server.url, socketOptions);
      onTestFinished(() => socket.socket.terminate());
      return socket;
    };
    return { ...server, open, signedIn: async () => (await open()).signIn(server.key) };
  }

  /** A connection that is acknowledged. */
  const connected = async (options: ServerWorldOptions = {}) => (await world(options)).signedIn();

  describe('“the WebSocket sub-protocol is graphql-transport-ws”', () => {
    test('it is chosen, also when others are offered before it', async () => {
      const { open } = await world();
      expect((await open()).socket.protocol).toBe('graphql-transport-ws');
      const offered = await open({ protocol: 'graphql-ws, graphql-transport-ws' }).catch(
        (error: Error) => error.message,
      );
      // The client of ws takes exception to a choice that it does not know to have offered: so it was chosen.
      expect(offered).toBe('Server sent a subprotocol but none was requested');
    });

    test.each([
      ['none', null],
      ['the old one', 'graphql-ws'],
      ['another', 'mqtt'],
      ['one that begins alike', 'graphql-transport-ws2'],
    ])('4406 for %s', async (_name, protocol) => {
      const { open } = await world();
      const socket = await open({ protocol });
      expect(await socket.closed).toEqual({ code: 4406, reason: 'Subprotocol not acceptable' });
    });

    test('4406 before anything else is heard', async () => {
      const { open, key } = await world();
      const socket = await open({ protocol: 'graphql-ws' });
      socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } }, subscribe('1'));
      expect(await socket.closed).toMatchObject({ code: 4406 });
      expect(socket.unread).toEqual([]);
    });
  });

  describe('ConnectionInit', () => {
    test('is answered with ConnectionAck, which carries nothing', async () => {
      const { open, key } = await world();
      const socket = await open();
      socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } });
      expect(await socket.next()).toEqual({ type: 'connection_ack' });
    });

    test.each([
      ['no payload', undefined],
      ['an empty payload', {}],
      ['a key that is none', { authorization: 'Bearer nonsense' }],
      ['a key that is unknown', { apiKey: `grv_${'0'.repeat(16)}_${'A'.repeat(43)}` }],
      ['a key of the wrong kind', { apiKey: ['grv'] }],
      ['another scheme', { authorization: 'Basic abc' }],
    ])('4403 for %s', async (_name, payload) => {
      const { open } = await world();
      const socket = await open();
      socket.send({ type: 'connection_init', payload });
      expect(await socket.closed).toEqual({ code: 4403, reason: 'Forbidden' });
    });

    test.each([
      ['a text', 'Bearer x'],
      ['a list', []],
      ['a number', 5],
    ])('4400 for a payload that is %s', async (_name, payload) => {
      const { open } = await world();
      const socket = await open();
      socket.send({ type: 'connection_init', payload });
      expect(await socket.closed).toMatchObject({ code: 4400 });
    });

    test('4408 when it does not come in three seconds, however much else is said', async () => {
      const { open } = await world();
      const begun = performance.now();
      const [silent, talking] = [await open(), await open()];
      talking.send({ type: 'ping' });
      expect(await talking.next()).toEqual({ type: 'pong' });
      const reason = 'Connection initialisation timeout';
      expect(await Promise.all([silent.closed, talking.closed])).toEqual([
        { code: 4408, reason },
        { code: 4408, reason },
      ]);
      expect(performance.now() - begun).toBeGreaterThan(2_500);
    });

    test('4429 for a second one', async () => {
      const { signedIn, key } = await world();
      const socket = await signedIn();
      socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } });
      expect(await socket.closed).toEqual({ code: 4429, reason: 'Too many initialisation requests' });
    });

    test('4429 for a second one before the first is acknowledged', async () => {
      const { open, key } = await world();
      const socket = await open();
      const init = { type: 'connection_init', payload: { authorization: `Bearer ${key}` } };
      socket.send(init, init);
      expect(await socket.closed).toMatchObject({ code: 4429 });
    });
  });

  describe('“executing operations is allowed only after the acknowledgement”', () => {
    test('4401 without any sign-in', async () => {
      const { open } = await world();
      const socket = await open();
      socket.send(subscribe('1'));
      expect(await socket.closed).toEqual({ code: 4401, reason: 'Unauthorized' });
    });

    test('4401 behind a sign-in that is not acknowledged yet; nothing is carried out', async () => {
      const { open, key, actor } = await world();
      const socket = await open();
      const mutation = 'mutation { createApiKey(input: { name: "early", role: VIEWER }) { __typename } }';
      socket.send({ type: 'connection_init', payload: { apiKey: key } }, subscribe('1', mutation));
      expect(await socket.closed).toMatchObject({ code: 4401 });
      const made = await operations.deps.db.apiKey.count({ where: { projectId: actor.projectId, name: 'early' } });
      expect(made).toBe(0);
    });

    test('a Complete before it is no offence', async () => {
      const { open, key } = await world();
      const socket = await open();
      socket.send({ type: 'complete', id: 'unknown' });
      await socket.settled();
      await socket.signIn(key);
    });
  });

  describe('Ping and Pong', () => {
    test('a Ping is answered with a Pong, before and after the sign-in', async () => {
      const { open, key } = await world();
      const socket = await open();
      socket.send({ type: 'ping' });
      expect(await socket.next()).toEqual({ type: 'pong' });
      await socket.signIn(key);
      socket.send({ type: 'ping' });
      expect(await socket.next()).toEqual({ type: 'pong' });
    });

    test('the Pong carries the payload of the Ping', async () => {
      const socket = await connected();
      socket.send({ type: 'ping', payload: { at: 1, nested: ['ü'] } });
      expect(await socket.next()).toEqual({ type: 'pong', payload: { at: 1, nested: ['ü'] } });
    });

    test('a Pong that nobody asked for is heard in silence', async () => {
      const socket = await connected();
      socket.send({ type: 'pong' }, { type: 'pong', payload: { any: 'thing' } });
      await socket.settled();
      expect(socket.unread).toEqual([]);
    });
  });

  describe('“receiving a message of a type or format which is not specified closes with 4400”', () => {
    test.each<[string, unknown]>([
      ['what is not JSON', 'hello'],
      ['JSON that is cut off', '{"type":"ping"'],
      ['nothing', ''],
      ['a list', []],
      ['a text', '"ping"'],
      ['null', 'null'],
      ['a message without a type', { id: '1' }],
      ['a type that is no text', { type: 1 }],
      ['an unknown type', { type: 'start', id: '1', payload: { query: '{ __typename }' } }],
      ['a Subscribe without an id', { type: 'subscribe', payload: { query: '{ __typename }' } }],
      ['a Subscribe with an empty id', subscribe('')],
      ['a Subscribe whose id is a number', subscribe(1)],
      ['a Subscribe without a payload', { type: 'subscribe', id: '1' }],
      ['a Subscribe without a query', { type: 'subscribe', id: '1', payload: {} }],
      ['a Subscribe whose query is no text', subscribe('1', { kind: 'Document' })],
      ['a Subscribe whose variables are a text', subscribe('1', '{ __typename }', { variables: 'x' })],
      ['a Subscribe whose operationName is a number', subscribe('1', '{ __typename }', { operationName: 1 })],
      ['a Complete without an id', { type: 'complete' }],
      ['a Ping whose payload is a text', { type: 'ping', payload: 'x' }],
      ['a ConnectionAck, which only servers send', { type: 'connection_ack' }],
      ['a Next, which only servers send', { type: 'next', id: '1', payload: { data: null } }],
      ['an Error, which only servers send', { type: 'error', id: '1', payload: [{ message: 'x' }] }],
    ])('%s', async (_name, message) => {
      const socket = await connected();
      socket.send(message);
      expect(await socket.closed).toMatchObject({ code: 4400, reason: expect.stringMatching(/./) });
    });

    test('what comes behind it is not carried out', async () => {
      const { signedIn, actor } = await world();
      const socket = await signedIn();
      const mutation = 'mutation { createApiKey(input: { name: "late", role: VIEWER }) { __typename } }';
      socket.send('nonsense', subscribe('1', mutation));
      expect(await socket.closed).toMatchObject({ code: 4400 });
      await delay(50);
      const made = await operations.deps.db.apiKey.count({ where: { projectId: actor.projectId, name: 'late' } });
      expect(made).toBe(0);
    });

    test('a binary frame is read as the text that it is', async () => {
      const socket = await connected();
      socket.socket.send(Buffer.from(JSON.stringify({ type: 'ping' })), { binary: true });
      expect(await socket.next()).toEqual({ type: 'pong' });
    });
  });

  describe('single result operations', () => {
    test('a query: one Next, then Complete', async () => {
      const socket = await connected();
      socket.send(subscribe('q', '{ viewer { role } }'));
      expect(await socket.next()).toEqual({ type: 'next', id: 'q', payload: { data: { viewer: { role: 'ADMIN' } } } });
      expect(await socket.next()).toEqual({ type: 'complete', id: 'q' });
    });

    test('a mutation is carried out', async () => {
      const socket = await connected();
      socket.send(subscribe('m', 'mutation { createApiKey(input: { name: "made", role: VIEWER }) { __typename } }'));
      expect(await socket.next()).toMatchObject({ type: 'next', payload: { data: { createApiKey: {} } } });
      expect(await socket.next()).toEqual({ type: 'complete', id: 'm' });
    });

    test('variables and the operation’s name are honoured; null is as good as left out', async () => {
      const socket = await connected();
      const query = 'query A { __typename } query B($i: Boolean!) { __typename @include(if: $i) b: __typename }';
      socket.send(subscribe('1', query, { operationName: 'B', variables: { i: false } }));
      expect(await socket.next()).toEqual({ type: 'next', id: '1', payload: { data: { b: 'Query' } } });
      await socket.next();
      socket.send(subscribe('2', '{ __typename }', { operationName: null, variables: null }));
      expect(await socket.next()).toMatchObject({ payload: { data: { __typename: 'Query' } } });
    });

    test('the server may ignore a payload’s extensions', async () => {
      const socket = await connected();
      socket.send(subscribe('1', '{ __typename }', { extensions: { any: 'thing' } }));
      expect(await socket.next()).toMatchObject({ type: 'next', id: '1' });
    });

    test('an id is free again behind its Complete, and any text is one', async () => {
      const socket = await connected();
      for (const id of ['1', '1', '__proto__', 'constructor', '"quoted" \\ ü \u2028', 'x'.repeat(1000)]) {
        socket.send(subscribe(id));
        expect(await socket.next(), id).toMatchObject({ type: 'next', id });
        expect(await socket.next()).toEqual({ type: 'complete', id });
      }
    });

    test('several at once are answered each under its own id', async () => {
      const socket = await connected();
      const ids = Array.from({ length: 50 }, (_, index) => `q${index}`);
      socket.send(...ids.map((id) => subscribe(id, `{ x: __typename ${id}: __typename }`)));
      const answers = [];
      while (answers.length < ids.length * 2) answers.push(await socket.next());
      const results = answers.filter(({ type }) => type === 'next');
      expect(results.map(({ id }) => id).sort()).toEqual([...ids].sort());
      for (const { id = '', payload } of results) expect(payload.data).toEqual({ x: 'Query', [id]: 'Query' });
    });
  });

  describe('“Error: before the actual execution”', () => {
    test.each([
      ['a syntax error', '{'],
      ['an unknown field', '{ nonsense }'],
      ['a document that is too long', `{ ${'__typename '.repeat(5000)} }`],
    ])('%s: Error and no Complete, and the connection goes on', async (_name, query) => {
      const socket = await connected();
      socket.send(subscribe('bad', query));
      const error = await socket.next();
      expect(error).toEqual({
        type: 'error',
        id: 'bad',
        payload: [expect.objectContaining({ message: expect.any(String) })],
      });
      socket.send(subscribe('good'));
      expect(await socket.next()).toMatchObject({ type: 'next', id: 'good' });
      expect(await socket.next()).toEqual({ type: 'complete', id: 'good' });
    });

    test('an operation’s name that is not there', async () => {
      const socket = await connected();
      socket.send(subscribe('1', 'query A { __typename }', { operationName: 'B' }));
      expect(await socket.next()).toMatchObject({ type: 'error', id: '1', payload: [{ message: expect.any(String) }] });
    });

    test('an id is free again behind its Error', async () => {
      const socket = await connected();
      socket.send(subscribe('1', '{'));
      expect(await socket.next()).toMatchObject({ type: 'error' });
      socket.send(subscribe('1'));
      expect(await socket.next()).toMatchObject({ type: 'next', id: '1' });
    });

    test('an error while it is carried out comes in a Next, with a Complete behind it, and tells no secret', async () => {
      const socket = await connected({
        schema: faultySchema(() => {
          throw new Error('canary');
        }),
      });
      socket.send(subscribe('1', '{ fine faulty }'));
      expect(await socket.next()).toEqual({
        type: 'next',
        id: '1',
        payload: {
          data: { fine: 'fine', faulty: null },
          errors: [expect.objectContaining({ message: expect.stringMatching(/^Internal error/), path: ['faulty'] })],
        },
      });
      expect(await socket.next()).toEqual({ type: 'complete', id: '1' });
    });

    test('variables that do not fit', async () => {
      const socket = await connected();
      socket.send(subscribe('1', 'subscription ($a: Cursor!) { events(after: $a) { __typename } }', { variables: {} }));
      const answer = await socket.next();
      expect(JSON.stringify(answer)).toContain('BAD_USER_INPUT');
    });

    test('a subscription that breaks says so once, without the reason', async () => {
      const socket = await connected({
        schema: faultySchema(() => {
          throw new Error('canary');
        }),
      });
      socket.send(subscribe('1', 'subscription { faulty }'));
      expect(await socket.next()).toMatchObject({ type: 'next', payload: { data: { faulty: 'first' } } });
      const error = await socket.next();
      expect(error).toMatchObject({ type: 'error', id: '1' });
      expect(JSON.stringify(error)).not.toContain('canary');
      await socket.settled();
      expect(socket.unread).toEqual([]);
    });
  });

  describe('streaming operations', () => {
    test('Next follows Next, and the client’s Complete ends it: nothing comes after', async () => {
      const { signedIn, write, feed } = await world({ feed: { heartbeatMs: 30 } });
      const socket = await signedIn();
      const fromTheBeginning = stream.replace('events {', `events(after: "${feed.encode(0n)}") {`);
      socket.send(subscribe('s', fromTheBeginning));
      for (let count = 0; count < 3; count += 1) expect(await socket.next()).toMatchObject({ type: 'next', id: 's' });
      socket.send({ type: 'complete', id: 's' });
      await socket.settled();
      expect(socket.unread.every(({ type }) => type === 'next')).toBe(true);
      const before = socket.unread.length;
      socket.send(subscribe('neighbour', fromTheBeginning));
      await write('after');
      // The neighbour is told of the event, and then is sent a heartbeat: the other one would have had both by then.
      const later = () => socket.unread.slice(before);
      const heartbeatAfterTheEvent = () => {
        const texts = later().map((message) => JSON.stringify(message));
        const at = texts.findIndex((text) => text.includes('"after"'));
        return at >= 0 && texts.slice(at).some((text) => text.includes('"Heartbeat"'));
      };
      await expect.poll(heartbeatAfterTheEvent, { interval: 5, timeout: 5_000 }).toBe(true);
      expect(new Set(later().map(({ id }) => id))).toEqual(new Set(['neighbour']));
    });

    test('the id is free again behind the client’s Complete', async () => {
      const { signedIn } = await world({ feed: { heartbeatMs: 30 } });
      const socket = await signedIn();
      for (let round = 0; round < 3; round += 1) {
        socket.send(subscribe('s', stream));
        await socket.next();
        socket.send({ type: 'complete', id: 's' });
        await socket.settled();
      }
    });

    test('a Complete for an id that is unknown, or has ended, is no offence', async () => {
      const socket = await connected();
      socket.send(subscribe('1'));
      await socket.next();
      await socket.next();
      socket.send({ type: 'complete', id: '1' }, { type: 'complete', id: 'never' });
      await socket.settled();
      expect(socket.unread).toEqual([]);
    });

    test('4409 for an id whose stream goes on', async () => {
      const { signedIn } = await world({ feed: { heartbeatMs: 30 } });
      const socket = await signedIn();
      socket.send(subscribe('s', stream));
      await socket.next();
      socket.send(subscribe('s', stream));
      expect(await socket.closed).toEqual({ code: 4409, reason: 'Subscriber for s already exists' });
    });

    test('a stream that ends by itself ends with the server’s Complete', async () => {
      const { signedIn, actor } = await world();
      const { insertCluster, insertOperation, at } = await import('../graphql/graphqlWorld.ts');
      const graphqlWorld = { operations } as never;
      const cluster = await insertCluster(graphqlWorld, actor);
      const ended = await insertOperation(graphqlWorld, actor, cluster.id, { status: 'FAILED', finishedAt: at(9) });
      const socket = await signedIn();
      socket.send(subscribe('o', `subscription { operation(id: "${ended.globalId}") { status } }`));
      expect(await socket.next()).toMatchObject({
        type: 'next',
        payload: { data: { operation: { status: 'FAILED' } } },
      });
      expect(await socket.next()).toEqual({ type: 'complete', id: 'o' });
    });

    test('a subscription that is refused: the refusal, and the id is free again', async () => {
      const socket = await connected();
      socket.send(subscribe('s', 'subscription { events(after: "nonsense") { __typename } }'));
      const refusal = await socket.next();
      expect(JSON.stringify(refusal.payload)).toContain('INVALID_INPUT');
      if (refusal.type === 'next') expect(await socket.next()).toEqual({ type: 'complete', id: 's' });
      socket.send(subscribe('s'));
      expect(await socket.next()).toMatchObject({ type: 'next', id: 's' });
    });

    test('streams and single results go side by side on one connection', async () => {
      const { signedIn, write, feed, actor } = await world();
      const socket = await signedIn();
      const cursor = await feed.cursorNow(actor.projectId);
      const query = stream.replace('events {', `events(after: "${cursor}") {`);
      socket.send(subscribe('a', query), subscribe('b', query));
      await socket.settled();
      await write('one');
      const streamed = [await socket.next(), await socket.next()];
      expect(streamed.map(({ id }) => id).sort()).toEqual(['a', 'b']);
      for (const { payload } of streamed) expect(payload.data.events.events).toEqual([{ toStatus: 'one' }]);
      socket.send(subscribe('q'));
      expect(await socket.next()).toMatchObject({ type: 'next', id: 'q' });
    });
  });

  describe('the end of the connection', () => {
    test('“the client closes with 1000”: its streams are gone', async () => {
      const { signedIn, server } = await world();
      const socket = await signedIn();
      socket.send(subscribe('s', stream));
      await socket.settled();
      socket.socket.close(1000, 'Normal Closure');
      expect(await socket.closed).toMatchObject({ code: 1000 });
      const begun = performance.now();
      await server.close();
      expect(performance.now() - begun).toBeLessThan(500);
    });

    test('1001 when the server stops, without a Complete for what goes on', async () => {
      const { signedIn, server } = await world();
      const socket = await signedIn();
      socket.send(subscribe('s', stream));
      const heartbeat = { type: 'next', id: 's', payload: { data: { events: { __typename: 'Heartbeat' } } } };
      expect(await socket.next()).toMatchObject(heartbeat);
      await server.close();
      expect(await socket.closed).toMatchObject({ code: 1001, reason: expect.stringContaining('Come back') });
      expect(socket.unread).toMatchObject([heartbeat]);
    });

    test('1009 for a message of more than 100 KiB; one below is read', async () => {
      const { signedIn } = await world();
      const fits = await signedIn();
      fits.send({ type: 'ping', payload: { text: 'x'.repeat(100 * 1024 - 100) } });
      expect(await fits.next()).toMatchObject({ type: 'pong' });
      fits.send({ type: 'ping', payload: { text: 'x'.repeat(100 * 1024) } });
      expect(await fits.closed).toMatchObject({ code: 1009 });
    });

    test('1013 when the store does not answer at the sign-in', async () => {
      const away = new Error('the store is away');
      const db = new Proxy(operations.deps.db, {
        get: (target, name) =>
          name === 'apiKey'
            ? { findUnique: () => Promise.reject(away), findMany: () => Promise.reject(away) }
            : Reflect.get(target, name),
      });
      const server = await createServerWorld(operations);
      const { createFeed } = await import('#events/feed.ts');
      const { createServer } = await import('#server/server.ts');
      const { buildSchema } = await import('#graphql/schema.ts');
      const doubtful = createServer({
        schema: buildSchema(),
        operations: { ...operations.deps, db },
        looks: operations.deps.db,
        feed: await createFeed(operations.deps),
        gateway: { handleUpgrade: (_request, socket) => socket.destroy() },
        config: { host: '127.0.0.1', port: 0 },
      });
      const { url } = await doubtful.listen();
      onTestFinished(() => doubtful.close());
      const socket = await RawSocket.open(url);
      socket.send({ type: 'connection_init', payload: { apiKey: server.key } });
      expect(await socket.closed).toMatchObject({ code: 1013 });
    });
  });
});
