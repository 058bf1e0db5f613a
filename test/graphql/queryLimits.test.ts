import { readFileSync } from 'node:fs';
import { getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clusterNow, eventsWithState, newestEvents, state } from '#cli/watch/documents.ts';
import { createGraphqlWorld, type GraphqlWorld, insertCluster } from './graphqlWorld.ts';

let world: GraphqlWorld;
beforeAll(async () => {
  world = await createGraphqlWorld();
});
afterAll(() => world.close());

const nested = (levels: number): string =>
  Array.from({ length: levels }).reduce<string>((inner) => `instances { nodes { cluster { ${inner} } } }`, 'id');

const detail = readFileSync(
  new URL('../../src/server/graphiql/examples/08-clustersInDetail.graphql', import.meta.url),
  'utf8',
);

const codesOf = async (document: string, variables: Record<string, unknown> = {}) => {
  const { errors } = await world.ask(await world.createActor('VIEWER'), document, variables);
  return errors?.map(({ extensions, message }) => extensions.code ?? message);
};
const refused = ['QUERY_TOO_COMPLEX'];

describe('an operation that asks for too much', () => {
  test.each([2, 3, 8, 22, 300])(
    'is answered or refused at once: clusters of instances of clusters, %i times',
    async (levels) => {
      const actor = await world.createActor('VIEWER');
      const { data, errors } = await world.ask(actor, `{ clusters { nodes { ${nested(levels)} } } }`);
      if (levels <= 2) expect(data).toEqual({ clusters: { nodes: [] } });
      else expect(errors?.map(({ extensions }) => extensions.code)).toEqual(refused);
    },
  );

  test('is refused for its breadth', async () => {
    const aliases = Array.from({ length: 2000 }, (_, index) => `a${index}: totalCount`).join(' ');
    expect(await codesOf(`{ clusters { ${aliases} } }`)).toContain('QUERY_TOO_COMPLEX');
  });

  test.each(['first', 'last'])('is judged by the pages that it asks for with %s', async (side) => {
    const innermost = `operations(${side}: 100) { nodes { kind steps { name } } }`;
    const within = (inner: string, size: number) => `operations(${side}: ${size}) { nodes { cluster { ${inner} } } }`;
    const pages = (sizes: number[]) => `{ ${sizes.reduceRight(within, innermost)} }`;
    expect(await codesOf(pages([100, 100]))).toEqual(refused);
    expect(await codesOf(pages([100]))).toEqual(refused);
    expect(await codesOf(pages([10]))).toBeUndefined();
    expect(await codesOf(pages([2, 2]))).toBeUndefined();
  });

  test('is judged by the value of a variable, and by the default size where none is given', async () => {
    const document = /* GraphQL */ `query ($first: Int) {
      operations(first: $first) { nodes { cluster { operations(first: 100) { nodes { kind steps { name } } } } } }
    }`;
    expect(await codesOf(document, { first: 100 })).toEqual(refused);
    expect(await codesOf(document, { first: 20 })).toBeUndefined();
    expect(await codesOf(document)).toBeUndefined();
    expect(await codesOf(document, { first: null })).toBeUndefined();
    expect(await codesOf(document, { first: 10_000 })).toEqual(refused);
    expect(await codesOf('{ operations(first: 100000) { nodes { kind } } }')).toEqual(['BAD_USER_INPUT']);
    expect(await codesOf('{ operations(first: -5) { nodes { kind } } }')).toEqual(['BAD_USER_INPUT']);
  });

  test('is judged by the ids that it names', async () => {
    const document = /* GraphQL */ `query ($ids: [ID!]!) {
      nodes(ids: $ids) { ... on Cluster { operations(first: 100) { nodes { kind steps { name } } } } }
    }`;
    expect(await codesOf(document, { ids: Array(100).fill('x') })).toEqual(refused);
    expect(await codesOf(document, { ids: ['x'] })).toBeUndefined();
  });

  test('is refused before anything is read', async () => {
    const actor = await world.createActor('VIEWER');
    const document = `{ clusters(first: 100) { nodes { operations(first: 100) { nodes { kind steps { name status } } } } } }`;
    const { answer, statements } = await world.count(actor, document);
    expect(answer.errors?.[0]?.message).toMatch(/^The operation's complexity is \d+; at most 50000 is allowed\./);
    expect(statements).toEqual([]);
  });
});

describe('an honest operation passes', () => {
  test.each([
    ['a page of 100 clusters in detail', detail.replace('first: 20', 'first: 100')],
    [
      'a page of 100 clusters with all instances asked for',
      detail.replace('first: 20', 'first: 100').replace('instances {', 'instances(first: 100) {'),
    ],
    ['the state that grove watch reads', state],
    ['the newest events', newestEvents],
    ['introspection', getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true })],
  ])('%s', async (_name, document) => {
    expect(await codesOf(document)).toBeUndefined();
  });

  test('the streams of grove watch', async () => {
    const actor = await world.createActor('VIEWER');
    const { globalId } = await insertCluster(world, actor, { instances: 3 });
    for (const [document, variables] of [
      [eventsWithState, { after: world.feed.encode(0n) }],
      [clusterNow, { id: globalId }],
    ] as const) {
      const stream = await world.subscribe(actor, document, variables);
      expect((await stream.next())?.errors).toBeUndefined();
      await stream.end();
    }
  });
});
