import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Actor } from '#domain/actor.ts';
import { at, createGraphqlWorld, type GraphqlWorld, insertCluster, insertOperation } from './graphqlWorld.ts';

let world: GraphqlWorld;
let actor: Actor;

beforeAll(async () => {
  world = await createGraphqlWorld();
  actor = await world.createActor();
  for (let number = 0; number < 50; number += 1) {
    const { id, instanceIds } = await insertCluster(world, actor, {
      instances: 3,
      healthReasons: [],
      observation: {
        replication: { upstream: '10.0.0.1:5432', state: 'streaming', lagBytes: 0, lagSeconds: 0, position: '0/1' },
      },
    });
    await world.operations.deps.db.cluster.update({
      where: { id },
      data: { healthReasons: [{ code: 'INSTANCE_DOWN', message: 'down', instanceId: instanceIds[1] ?? null }] },
    });
    await insertOperation(world, actor, id, {
      steps: { create: { key: 'a', position: 0, name: 'a', instanceId: instanceIds[0] ?? null } },
    });
    await insertOperation(world, actor, id, { finishedAt: at(1), status: 'SUCCEEDED', result: {} });
  }
});
afterAll(() => world.close());

/** How many statements a page of 50 clusters with these fields takes. */
async function statementsFor(fields: string): Promise<number> {
  const { answer, statements } = await world.count(actor, `{ clusters(first: 50) { nodes { ${fields} } } }`);
  expect(answer.errors).toBeUndefined();
  expect(answer.data.clusters.nodes).toHaveLength(50);
  return statements.length;
}

test.each([
  [1, 'a plain list', 'id name status statusReason version engine { name } engineVersion instanceCount createdAt'],
  [
    1,
    'health and network',
    'health { level reasons { code message } changedAt } network { cidr accessRules { cidr } }',
  ],
  [2, 'instances', 'name instances { totalCount nodes { name role status observedAt } pageInfo { hasNextPage } }'],
  [
    2,
    'instances with all that is observed',
    'instances { edges { node { storageUsedBytes connections agent { connected } engineInfo { __typename } replication { state } } } }',
  ],
  [2, 'endpoints', 'endpoints { uri }'],
  [
    2,
    'instances, primary and endpoints',
    'name primary { name port } endpoints { uri } instances { nodes { name role } }',
  ],
  [
    2,
    'instances under two names',
    'a: instances(first: 1) { nodes { name } } b: instances(last: 1) { nodes { address } }',
  ],
  [2, 'the running operation', 'currentOperation { kind status progress }'],
  [
    4,
    'the running operation with its steps and their instances',
    'currentOperation { steps { name instance { name } } }',
  ],
  [2, 'the instances of the reasons of health', 'health { reasons { instance { name } } }'],
  [4, 'allowed actions', 'allowedActions { action allowed blockers { code } }'],
  [4, 'upstream instances', 'instances { nodes { replication { upstream { name } } } }'],
  [3, 'the cluster of each instance', 'instances { nodes { cluster { name } } }'],
  [3, 'instances and the running operation', 'name instances { nodes { name } } currentOperation { status }'],
])('%i statements for 50 clusters with %s', async (most, _what, fields) => {
  expect(await statementsFor(fields)).toBe(most);
});

test('totalCount costs a statement only where it is selected', async () => {
  const without = await world.count(actor, '{ clusters(first: 5) { nodes { name } } }');
  const with_ = await world.count(actor, '{ clusters(first: 5) { totalCount nodes { name } } }');
  expect([without.statements.length, with_.statements.length]).toEqual([1, 2]);
  expect(with_.answer.data.clusters.totalCount).toBe(50);
});

test('a page of instances or operations of many clusters costs a statement for each relation', async () => {
  const instances = await world.count(actor, '{ instances(first: 100) { nodes { name cluster { name } } } }');
  const operations = await world.count(
    actor,
    '{ operations(first: 100) { nodes { kind cluster { name } steps { name } result { ... on ClusterCreated { primary { name } } } } } }',
  );
  expect([instances.statements.length, operations.statements.length]).toEqual([2, 3]);
  expect(operations.answer.data.operations.nodes).toHaveLength(100);
});

test('many nodes cost a statement for each type', async () => {
  const page = await world.ask(actor, '{ clusters(first: 20) { nodes { id } } instances(first: 20) { nodes { id } } }');
  const ids = [...page.data.clusters.nodes, ...page.data.instances.nodes].map(({ id }: { id: string }) => id);
  const { answer, statements } = await world.count(
    actor,
    'query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Cluster { name } ... on Instance { name } } }',
    { ids },
  );
  expect(answer.data.nodes.map(({ id }: { id: string }) => id)).toEqual(ids);
  expect(statements).toHaveLength(2);
});
