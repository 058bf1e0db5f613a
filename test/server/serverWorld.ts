import { type GraphQLSchema, buildSchema as parseSchema } from 'graphql';
import { type Client, createClient } from 'graphql-ws';
import { onTestFinished } from 'vitest';
import WebSocket from 'ws';
import { authenticate } from '#auth/authenticate.ts';
import { createApiKey } from '#auth/createApiKey.ts';
import type { Actor, Role } from '#domain/actor.ts';
import { createFeed } from '#events/feed.ts';
import type { FeedOptions } from '#events/subscription.ts';
import { transact } from '#events/transact.ts';
import { buildSchema } from '#graphql/schema.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { createServer, type ServerDeps } from '#server/server.ts';
import type { Database } from '#store/database.ts';
import type { TestOperations } from '../support/operations.ts';

export type ServerWorldOptions = {
  feed?: Partial<FeedOptions>;
  /** Through which the feed and the watch of the keys look. Left out: as everybody. */
  looks?: Database;
  schema?: GraphQLSchema;
  gateway?: ServerDeps['gateway'];
  /** Left out: a free one. */
  port?: number;
};

const noAgents: ServerDeps['gateway'] = { handleUpgrade: (_request, socket) => socket.destroy() };

/** A real server over a real store, for one test. */
export async function createServerWorld({ deps: operations }: TestOperations, options: ServerWorldOptions = {}) {
  const looks = options.looks ?? operations.db;
  const feed = await createFeed({ ...operations, db: looks, options: options.feed ?? {} });
  const server = createServer({
    schema: options.schema ?? buildSchema(),
    operations,
    feed,
    gateway: options.gateway ?? noAgents,
    looks,
    config: { host: '127.0.0.1', port: options.port ?? 0 },
  });
  const { url } = await server.listen();
  onTestFinished(() => server.close());
  const project = await operations.db.project.create({ data: { name: crypto.randomUUID() } });
  const maker: Actor = { kind: 'SYSTEM', projectId: project.id, name: 'test' };

  async function createKey(role: Role = 'ADMIN', expiresAt: Date | null = null) {
    const { plain, apiKeyId } = await createApiKey(operations, maker, { name: 'test key', role, expiresAt });
    return { key: plain, apiKeyId, actor: assertPresent(await authenticate(operations, plain), 'actor') };
  }
  const { key, actor } = await createKey();
  return {
    url,
    server,
    feed,
    operations,
    key,
    actor,
    createKey,
    /** Commits one event with this label. */
    write: (label: string) =>
      transact(operations, actor, async ({ record }) => record({ type: 'CLUSTER_UPDATED', toStatus: label })),
    post: (body: object | string, headers: Record<string, string> = {}) =>
      fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    /** A stock client over a WebSocket; `closed` tells how the connection ended. */
    socket(connectionParams: Record<string, unknown> = { authorization: `Bearer ${key}` }) {
      const closed = Promise.withResolvers<{ code: number; reason: string }>();
      const client: Client = createClient({
        url: `${url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        connectionParams,
        lazy: false,
        retryAttempts: 0,
        onNonLazyError: () => {},
        on: { closed: (event) => closed.resolve(event as { code: number; reason: string }) },
      });
      onTestFinished(async () => client.dispose());
      return { client, closed: closed.promise };
    },
    /** A subscription as server-sent events. */
    async stream(query: string, headers: Record<string, string> = {}, signal?: AbortSignal) {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'text/event-stream',
          authorization: `Bearer ${key}`,
          ...headers,
        },
        body: JSON.stringify({ query }),
        ...(signal ? { signal } : {}),
      });
      return { response, events: serverSentEvents(response) };
    },
  };
}

export type SentEvent = { id?: string; event?: string; data?: string };

/** Reads by the rules of the WHATWG, as far as a test needs them. Ends with the response, however that ends. */
async function* serverSentEvents(response: Response): AsyncGenerator<SentEvent, 'ended' | 'broken'> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of assertPresent(response.body, 'body')) {
      text += decoder.decode(chunk, { stream: true });
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const lines = block.split('\n').filter((line) => line !== '' && !line.startsWith(':'));
        if (lines.length > 0)
          yield Object.fromEntries(lines.map((line) => /^(\w+): ?(.*)$/.exec(line)?.slice(1) ?? [])) as SentEvent;
      }
    }
    return 'ended';
  } catch {
    return 'broken';
  }
}

/** A small API with a fault in it. */
export function faultySchema(fault: () => unknown): GraphQLSchema {
  const schema = parseSchema('type Query { fine: String, faulty: String } type Subscription { faulty: String }');
  const query = assertPresent(schema.getQueryType(), 'query').getFields();
  assertPresent(query.fine, 'fine').resolve = () => 'fine';
  assertPresent(query.faulty, 'faulty').resolve = fault;
  assertPresent(schema.getSubscriptionType()?.getFields().faulty, 'faulty').subscribe = async function* () {
    yield { faulty: 'first' };
    fault();
  };
  return schema;
}
