import { type DocumentNode, parse } from 'graphql';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { revokeApiKey } from '#auth/revokeApiKey.ts';
import { createTestOperations, type TestOperations } from '../../support/operations.ts';
import { createServerWorld } from '../serverWorld.ts';

type Fetcher = (
  request: { query: string; variables?: object },
  options: { documentAST: DocumentNode },
) => Promise<unknown> | AsyncGenerator<unknown>;

/** By its address, since the page has a compiler configuration of its own, with the types of browsers. */
const page = new URL('../../../graphiql/fetcher.ts', import.meta.url).href;
const { createFetcher } = (await import(page)) as { createFetcher(apiKey: string): Fetcher };

const subscription = 'subscription { events { __typename ... on EventBatch { events { toStatus } } } }';

describe('the fetcher of the GraphiQL page', () => {
  let operations: TestOperations;
  beforeAll(async () => {
    operations = await createTestOperations({ working: false });
  });
  afterAll(() => operations.close());

  async function createPage() {
    const world = await createServerWorld(operations, { feed: { heartbeatMs: 50 } });
    vi.stubGlobal('location', new URL('/graphiql', world.url));
    onTestFinished(() => void vi.unstubAllGlobals());
    const ask = (key: string, query: string, variables?: object) =>
      createFetcher(key)({ query, ...(variables ? { variables } : {}) }, { documentAST: parse(query) });
    const subscribe = (key: string) => ask(key, subscription) as AsyncGenerator<unknown>;
    return { ...world, ask, subscribe };
  }

  test('asks over HTTP with the key', async () => {
    const { ask, key } = await createPage();
    const query = 'query ($include: Boolean!) { __typename @include(if: $include) }';
    expect(await ask(key, query, { include: true })).toEqual({ data: { __typename: 'Query' } });
  });

  test('subscribes over a WebSocket with the key', async () => {
    const { subscribe, key } = await createPage();
    const results = subscribe(key);
    expect(await results.next()).toMatchObject({ value: { data: { events: { __typename: 'Heartbeat' } } } });
    await results.return(null);
  });

  test('tells of a wrong key, over HTTP and over a WebSocket', async () => {
    const { ask, subscribe } = await createPage();
    expect(await ask('grv_wrong_wrong', '{ __typename }')).toMatchObject({
      errors: [{ message: expect.stringContaining('API key'), extensions: { code: 'UNAUTHENTICATED' } }],
    });
    await expect(subscribe('grv_wrong_wrong').next()).rejects.toThrow('Grove refuses this API key');
  });

  test('tells of a key that is revoked while a subscription runs', async () => {
    const { subscribe, createKey, actor, operations: deps } = await createPage();
    const { key, apiKeyId } = await createKey();
    const results = subscribe(key);
    await results.next();
    await revokeApiKey(deps, actor, { apiKeyId });
    const toEnd = async () => {
      for await (const _ of results);
    };
    await expect(toEnd()).rejects.toThrow('Grove refuses this API key');
  });
});
