import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import { NotFoundError } from '#domain/errors.ts';
import { StartupError } from '#lib/faults/startupError.ts';
import { createServer } from '#server/server.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { createServerWorld, faultySchema } from './serverWorld.ts';

describe('the server', () => {
  let operations: TestOperations;
  beforeAll(async () => {
    operations = await createTestOperations({ working: false });
    return () => operations.close();
  });

  test('says that it is alive and ready, and what is where', async () => {
    const { url } = await createServerWorld(operations);
    const answers = await Promise.all(['/healthz', '/readyz', '/nowhere'].map((path) => fetch(url + path)));
    expect(await Promise.all(answers.map(async (answer) => [answer.status, await answer.json()]))).toEqual([
      [200, { status: 'alive' }],
      [200, { status: 'ready' }],
      [404, { error: 'Nothing is at /nowhere. The API is at /graphql, GraphiQL at /graphiql.' }],
    ]);
  });

  test('is not ready when the store does not answer', async () => {
    const db = Object.create(operations.deps.db, { $queryRaw: { value: () => Promise.reject(new Error('away')) } });
    const { url, feed } = await createServerWorld(operations);
    const server = createServer({
      schema: faultySchema(() => {}),
      operations: { ...operations.deps, db },
      looks: operations.deps.db,
      feed,
      gateway: { handleUpgrade: () => {} },
      config: { host: '127.0.0.1', port: 0 },
    });
    onTestFinished(() => server.close());
    const answer = await fetch(`${(await server.listen()).url}/readyz`);
    expect([answer.status, await answer.json()]).toEqual([503, { status: 'the store does not answer' }]);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });

  test('tells a stranger nothing but how to sign in', async () => {
    const { url, post } = await createServerWorld(operations);
    for (const authorization of ['', 'Bearer grv_wrong_wrong', 'Basic abc']) {
      const answer = await post({ query: '{ __schema { types { name } } }' }, { authorization });
      expect(answer.status).toBe(401);
      expect(await answer.json()).toEqual({
        errors: [
          { message: expect.stringContaining('Authorization: Bearer'), extensions: { code: 'UNAUTHENTICATED' } },
        ],
      });
    }
    expect((await fetch(`${url}/graphql?query={viewer{project{name}}}`)).status).toBe(401);
  });

  test('answers queries by POST, and by GET with a key', async () => {
    const { url, post, key } = await createServerWorld(operations);
    const data = { __typename: 'Query' };
    expect(await (await post({ query: '{ __typename }' })).json()).toEqual({ data });
    const headers = { authorization: `Bearer ${key}` };
    expect(await (await fetch(`${url}/graphql?query={__typename}`, { headers })).json()).toEqual({ data });
    expect((await fetch(`${url}/graphql?query=mutation{__typename}`, { headers })).status).toBe(405);
    expect((await fetch(`${url}/graphql?query={__typename}&variables={`, { headers })).status).toBe(400);
  });

  test('says that the store does not answer, as GraphQL does', async () => {
    const db = Object.create(operations.deps.db, {
      apiKey: { value: { findUnique: () => Promise.reject(new Error('away')) } },
    });
    const { feed, key } = await createServerWorld(operations);
    const server = createServer({
      schema: faultySchema(() => {}),
      operations: { ...operations.deps, db },
      looks: operations.deps.db,
      feed,
      gateway: { handleUpgrade: () => {} },
      config: { host: '127.0.0.1', port: 0 },
    });
    onTestFinished(() => server.close());
    const { url } = await server.listen();
    const answer = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: '{}',
    });
    expect([answer.status, await answer.json()]).toEqual([
      503,
      {
        errors: [{ message: 'The store does not answer. Try again soon.', extensions: { code: 'STORE_UNAVAILABLE' } }],
      },
    ]);
  });

  test('tells a code for a variable that does not fit', async () => {
    const { post } = await createServerWorld(operations);
    const query = 'query ($name: String!) { __type(name: $name) { name } }';
    const answers = await Promise.all([{}, { name: 1 }].map((variables) => post({ query, variables })));
    for (const answer of answers) {
      const { errors } = (await answer.json()) as { errors: { extensions: { code: string } }[] };
      expect(errors.map(({ extensions }) => extensions.code)).toEqual(['BAD_USER_INPUT']);
    }
  });

  test('takes only JSON, and not too much of it', async () => {
    const { post } = await createServerWorld(operations);
    expect((await post('query=%7B__typename%7D', { 'content-type': 'application/x-www-form-urlencoded' })).status).toBe(
      415,
    );
    expect((await post('{ __typename }', { 'content-type': 'application/graphql' })).status).toBe(415);
    expect((await post({ query: `{ __typename } #${'x'.repeat(101 * 1024)}` })).status).toBe(413);
    const batch = await post([{ query: '{ __typename }' }]);
    expect(batch.status).toBe(400);
  });

  test('masks what is not expected, and logs it under the id that it tells', async () => {
    const logged: Record<string, unknown>[] = [];
    const logger = Object.assign(Object.create(operations.deps.logger) as typeof operations.deps.logger, {
      error: (entry: Record<string, unknown>) => logged.push(entry),
    });
    const schema = faultySchema(() => {
      throw new Error('SELECT secret FROM somewhere');
    });
    const { post, socket, stream } = await createServerWorld(
      { ...operations, deps: { ...operations.deps, logger } },
      { schema },
    );
    const masked = {
      message: expect.stringMatching(/^Internal error [\w-]{36}$/),
      extensions: { code: 'INTERNAL_ERROR', errorId: expect.any(String) },
    };
    const answer = (await (await post({ query: '{ fine faulty }' })).json()) as {
      errors: { extensions: { errorId: string } }[];
    };
    expect(answer).toEqual({
      data: { fine: 'fine', faulty: null },
      errors: [{ ...masked, path: ['faulty'], locations: [{ line: 1, column: 8 }] }],
    });
    expect(logged).toEqual([
      {
        err: expect.objectContaining({ message: 'SELECT secret FROM somewhere' }),
        errorId: answer.errors[0]?.extensions.errorId,
      },
    ]);

    const { client } = socket();
    for await (const overSocket of client.iterate({ query: '{ faulty }' })) {
      expect(overSocket.errors).toEqual([expect.objectContaining(masked)]);
    }
    const { events } = await stream('subscription { faulty }');
    const texts: string[] = [];
    for await (const { data } of events) texts.push(data ?? '');
    expect(texts.join()).toContain('first');
    expect(texts.join()).not.toContain('secret');
  });

  test('shows expected failures with their code', async () => {
    const schema = faultySchema(() => {
      throw new NotFoundError('The thing');
    });
    const { post } = await createServerWorld(operations, { schema });
    const answer = await (await post({ query: '{ faulty }' })).json();
    expect(answer).toMatchObject({
      errors: [{ message: 'The thing does not exist in this project.', extensions: { code: 'NOT_FOUND' } }],
    });
  });

  test('hands agents’ connections to the gateway, and refuses those to nowhere', async () => {
    const asked: (string | undefined)[] = [];
    const gateway = {
      handleUpgrade: (request: IncomingMessage, socket: Duplex) => {
        asked.push(request.url);
        socket.destroy();
      },
    };
    const { url } = await createServerWorld(operations, { gateway });
    for (const path of ['/agent?x=1', '/nowhere']) {
      const client = new WebSocket(url.replace('http', 'ws') + path);
      const [error] = (await once(client, 'error')) as [Error];
      if (path === '/nowhere') expect(error.message).toBe('Unexpected server response: 404');
    }
    expect(asked).toEqual(['/agent?x=1']);
  });

  test('names the port that is in use and the way out', async () => {
    const other = createHttpServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    const { feed } = await createServerWorld(operations);
    const server = createServer({
      schema: faultySchema(() => {}),
      operations: operations.deps,
      looks: operations.deps.db,
      feed,
      gateway: { handleUpgrade: () => {} },
      config: { host: '127.0.0.1', port },
    });
    onTestFinished(() => server.close());
    await expect(server.listen()).rejects.toThrow(
      new StartupError(
        `Port ${port} on 127.0.0.1 is in use. Stop what listens there, or choose another with GROVE_PORT.`,
      ),
    );
  });
});
