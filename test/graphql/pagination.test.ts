import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Actor } from '#domain/actor.ts';
import { at, createGraphqlWorld, type GraphqlWorld, insertCluster, type Variables } from './graphqlWorld.ts';

let world: GraphqlWorld;
let actor: Actor;
beforeAll(async () => {
  world = await createGraphqlWorld();
  actor = await world.createActor();
  // Names repeat among deleted clusters, times among all.
  for (const [index, name] of ['b', 'a', 'c', 'a', 'b', 'a', 'a'].entries()) {
    const last = index >= 5 ? {} : { deletedAt: at(9), status: 'DELETED' as const };
    await insertCluster(world, actor, { name: index === 6 ? 'd' : name, createdAt: at(index % 2), ...last });
  }
});
afterAll(() => world.close());

const document = /* GraphQL */ `
  query ($first: Int, $after: String, $last: Int, $before: String, $orderBy: ClusterOrder, $filter: ClusterFilter = { includeDeleted: true }) {
    clusters(first: $first, after: $after, last: $last, before: $before, orderBy: $orderBy, filter: $filter) {
      totalCount
      edges { cursor node { id name createdAt } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
`;

type Edge = { cursor: string; node: { id: string; name: string; createdAt: string } };
type Page = {
  totalCount: number;
  edges: Edge[];
  pageInfo: Record<'hasNextPage' | 'hasPreviousPage', boolean> & Record<'startCursor' | 'endCursor', string>;
};

async function page(variables: Variables): Promise<Page> {
  const { data, errors } = await world.ask(actor, document, variables);
  expect(errors).toBeUndefined();
  return data.clusters as Page;
}

const ids = ({ edges }: Page): string[] => edges.map(({ node }) => node.id);

describe.each([
  ['NAME', 'ASC'],
  ['NAME', 'DESC'],
  ['CREATED_AT', 'ASC'],
  ['CREATED_AT', 'DESC'],
])('by %s %s', (field, direction) => {
  const orderBy = { field, direction };

  test('the whole list is in order, with the id where the rest is equal', async () => {
    const { edges } = await page({ first: 100, orderBy });
    const key = ({ node }: Edge) =>
      `${field === 'NAME' ? node.name : node.createdAt} ${Buffer.from(node.id, 'base64')}`;
    const keys = edges.map(key);
    const sorted = [...keys].sort();
    expect(keys).toEqual(direction === 'ASC' ? sorted : sorted.reverse());
    expect(edges).toHaveLength(7);
  });

  test.each([1, 2, 3])('pages of %i forward and backward give the whole list', async (size) => {
    const whole = ids(await page({ first: 100, orderBy }));
    const forward: string[] = [];
    for (let after: string | null = null; ; ) {
      const found: Page = await page({ first: size, after, orderBy });
      expect(found.totalCount).toBe(7);
      expect(found.pageInfo.hasPreviousPage).toBe(after !== null);
      forward.push(...ids(found));
      after = found.pageInfo.endCursor;
      if (!found.pageInfo.hasNextPage) break;
    }
    const backward: string[] = [];
    for (let before: string | null = null; ; ) {
      const found: Page = await page({ last: size, before, orderBy });
      expect(found.pageInfo.hasNextPage).toBe(before !== null);
      backward.unshift(...ids(found));
      before = found.pageInfo.startCursor;
      if (!found.pageInfo.hasPreviousPage) break;
    }
    expect(forward).toEqual(whole);
    expect(backward).toEqual(whole);
  });

  test('between two cursors', async () => {
    const { edges } = await page({ first: 100, orderBy });
    const between = await page({ first: 100, after: edges[1]?.cursor, before: edges[5]?.cursor, orderBy });
    expect(ids(between)).toEqual(edges.slice(2, 5).map(({ node }) => node.id));
  });
});

test('20 is the size where none is given, and by name is the order', async () => {
  const found = await page({});
  expect(found.edges.map(({ node }) => node.name)).toEqual(['a', 'a', 'a', 'b', 'b', 'c', 'd']);
});

test.each<[string, Variables]>([
  ['"first" must be 1 to 100, found 0.', { first: 0 }],
  ['"first" must be 1 to 100, found 101.', { first: 101 }],
  ['"last" must be 1 to 100, found -1.', { last: -1 }],
  ['Give either "first" or "last", not both.', { first: 1, last: 1 }],
  ['"after" is not a cursor', { after: 'x' }],
  ['"before" is not a cursor', { before: Buffer.from('["name","asc","a","x"]').toString('base64url') }],
  [
    '"after" is not a cursor',
    { after: Buffer.from('["name","desc","a","01a20386-7795-70c0-a9fb-976c956703f7"]').toString('base64url') },
  ],
  ['must not contain the character NUL', { filter: { name: { contains: 'a\0' } } }],
  [
    '"after" is not a cursor',
    { after: Buffer.from('["name","asc","\\u0000","01a20386-7795-70c0-a9fb-976c956703f7"]').toString('base64url') },
  ],
])('refused: %s (%j)', async (message, variables) => {
  const { data, errors } = await world.ask(actor, document, variables);
  expect(data).toBe(null);
  expect(errors).toMatchObject([{ message: expect.stringContaining(message), extensions: { code: 'BAD_USER_INPUT' } }]);
});

test("a cluster's own list of instances refuses the same", async () => {
  const { globalId: id } = await insertCluster(world, await Promise.resolve(actor), {
    name: 'e',
    instances: 3,
    deletedAt: at(9),
  });
  const ask = (args: string) =>
    world.ask(
      actor,
      `query ($id: ID!) { cluster(by: { id: $id }) { instances(${args}) { nodes { name } pageInfo { endCursor hasNextPage hasPreviousPage } } } }`,
      { id },
    );
  expect((await ask('first: 101')).errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
  expect((await ask('after: "x"')).errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }]);
  const first = (await ask('first: 2')).data.cluster.instances;
  expect(first).toMatchObject({
    nodes: [{ name: 'e-1' }, { name: 'e-2' }],
    pageInfo: { hasNextPage: true, hasPreviousPage: false },
  });
  const rest = (await ask(`first: 2, after: "${first.pageInfo.endCursor}"`)).data.cluster.instances;
  expect(rest).toMatchObject({ nodes: [{ name: 'e-3' }], pageInfo: { hasNextPage: false, hasPreviousPage: true } });
  const last = (await ask('last: 1')).data.cluster.instances;
  expect(last).toMatchObject({ nodes: [{ name: 'e-3' }], pageInfo: { hasNextPage: false, hasPreviousPage: true } });
});

describe('filters', () => {
  test.each<[string, object, string[]]>([
    ['deleted clusters are left out', {}, ['a', 'd']],
    ['name equals', { name: { equals: 'd' } }, ['d']],
    ['name contains, whatever the case', { name: { contains: 'D' } }, ['d']],
    ['wildcards are letters like any other', { name: { contains: '%' } }, []],
    ['an engine', { engine: 'fake' }, ['a', 'd']],
    ['another engine', { engine: 'postgresql' }, []],
    ['statuses', { status: ['DELETED', 'DOWN'], includeDeleted: true, name: { equals: 'c' } }, ['c']],
    ['no status', { status: [] }, []],
    ['everything null', { name: null, engine: null, status: null, includeDeleted: null }, ['a', 'd']],
  ])('%s', async (_what, filter, names) => {
    const found = await page({ first: 100, filter });
    expect(found.edges.map(({ node }) => node.name)).toEqual(names);
    expect(found.totalCount).toBe(names.length);
  });

  test('instances by role and status', async () => {
    const { globalId: clusterId } = await insertCluster(world, actor, { name: 'f', instances: 3 });
    const { data } = await world.ask(
      actor,
      `query ($clusterId: ID!) {
        replicas: instances(filter: { clusterId: $clusterId, role: REPLICA }, orderBy: { field: NAME, direction: DESC }) { nodes { name } }
        down: instances(filter: { clusterId: $clusterId, status: [DOWN] }) { totalCount }
      }`,
      { clusterId },
    );
    expect(data).toEqual({ replicas: { nodes: [{ name: 'f-3' }, { name: 'f-2' }] }, down: { totalCount: 0 } });
  });
});
