import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Actor } from '#domain/actor.ts';
import {
  createGraphqlWorld,
  type GraphqlWorld,
  globalId,
  insertBackup,
  insertCluster,
  insertOperation,
} from './graphqlWorld.ts';

let world: GraphqlWorld;
let owner: Actor;
let stranger: Actor;
let cluster: { id: string; globalId: string; instanceIds: string[] };
let operation: { id: string; globalId: string };
let instance: string;
let backup: string;
let ownersKey: string;
let webhook: string;

beforeAll(async () => {
  world = await createGraphqlWorld();
  owner = await world.createActor();
  stranger = await world.createActor();
  cluster = await insertCluster(world, owner, { name: 'secret', instances: 2 });
  operation = await insertOperation(world, owner, cluster.id);
  instance = globalId('Instance', cluster.instanceIds[0] ?? '');
  backup = (await insertBackup(world, owner, cluster)).globalId;
  const made =
    'mutation { r: createWebhook(input: { url: "https://secret.test" }) { ... on CreateWebhookPayload { webhook { id } } } }';
  webhook = (await world.ask(owner, made)).data.r.webhook.id;
  ownersKey = (await world.ask(owner, '{ viewer { key { id } } }')).data.viewer.key.id;
});
afterAll(() => world.close());

const uuid = '01a20386-7795-70c0-a9fb-976c956703f7';
const encoded = (text: string): string => Buffer.from(text).toString('base64');
const malformed: [string, string][] = [
  ['empty', ''],
  ['no base64', '%%%'],
  ['no type', encoded('x')],
  ['an unknown type', encoded(`Nothing:${uuid}`)],
  ['a type of the language', encoded(`constructor:${uuid}`)],
  ['no uuid', encoded('Cluster:1')],
  ['too much', encoded(`Cluster:${uuid}:1`)],
  ['SQL', encoded(`Cluster:' OR 1=1 --`)],
  ['NUL', encoded('Cluster:\0')],
  ['a bare key', uuid],
  ['of nobody', encoded(`Cluster:${uuid}`)],
];

describe('what is of another project, unknown or malformed reads as null', () => {
  const document = /* GraphQL */ `
    query ($id: ID!) {
      node(id: $id) { id }
      nodes(ids: [$id]) { id }
      cluster(by: { id: $id }) { id }
      instances(filter: { clusterId: $id }) { totalCount nodes { id } }
      operations(filter: { clusterId: $id }) { totalCount nodes { id } }
      backups(filter: { clusterId: $id }) { totalCount nodes { id } }
      restorePreview(backupId: $id) { restorable }
      ofCluster: events(filter: { clusterIds: [$id] }) { totalCount nodes { at } }
      ofOperation: events(filter: { operationId: $id }) { totalCount nodes { at } }
    }
  `;
  const nothing = {
    data: {
      node: null,
      nodes: [null],
      cluster: null,
      instances: { totalCount: 0, nodes: [] },
      operations: { totalCount: 0, nodes: [] },
      backups: { totalCount: 0, nodes: [] },
      restorePreview: null,
      ofCluster: { totalCount: 0, nodes: [] },
      ofOperation: { totalCount: 0, nodes: [] },
    },
  };

  test.each(malformed)('an id that is %s', async (_what, id) => {
    expect(await world.ask(owner, document, { id })).toEqual(nothing);
  });

  test('ids of another project', async () => {
    for (const id of [cluster.globalId, instance, operation.globalId, backup, ownersKey, webhook]) {
      expect(await world.ask(stranger, document, { id })).toEqual(nothing);
    }
  });

  test("a name of another project's cluster", async () => {
    const byName = '{ cluster(by: { name: "secret" }) { name } }';
    expect(await world.ask(stranger, byName)).toEqual({ data: { cluster: null } });
    expect(await world.ask(owner, byName)).toEqual({ data: { cluster: { name: 'secret' } } });
  });

  test('an API key is no node', async () => {
    expect(await world.ask(owner, 'query ($id: ID!) { node(id: $id) { id } }', { id: ownersKey })).toEqual({
      data: { node: null },
    });
  });
});

test('the owner finds all of it', async () => {
  const ids = [cluster.globalId, instance, operation.globalId, backup, webhook];
  const answer = await world.ask(owner, 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }', { ids });
  expect(answer.data.nodes).toEqual([
    { __typename: 'Cluster', id: cluster.globalId },
    { __typename: 'Instance', id: instance },
    { __typename: 'Operation', id: operation.globalId },
    { __typename: 'Backup', id: backup },
    { __typename: 'Webhook', id: webhook },
  ]);
});

test('lists hold nothing of another project', async () => {
  const document = /* GraphQL */ `
    {
      clusters(filter: { includeDeleted: true }) { totalCount nodes { name } }
      instances(filter: { includeRemoved: true }) { totalCount nodes { name } }
      operations { totalCount nodes { id } }
      backups(filter: { includeDeleted: true }) { totalCount nodes { name } }
      events { totalCount nodes { type } }
      apiKeys { totalCount nodes { id } }
      webhooks { totalCount nodes { url } }
    }
  `;
  const { data } = await world.ask(stranger, document);
  const counts = Object.values(data as Record<string, { totalCount: number }>).map(({ totalCount }) => totalCount);
  expect(counts).toEqual([0, 0, 0, 0, 1, 1, 0]);
  expect(JSON.stringify(data)).not.toContain('secret');
  expect(data.apiKeys.nodes).not.toContainEqual({ id: ownersKey });
});

test("a cursor into another project's log tells nothing", async () => {
  const { data } = await world.ask(owner, '{ events(last: 1) { pageInfo { startCursor } } }');
  const answer = await world.ask(stranger, 'query ($c: Cursor) { events(after: $c) { nodes { type } } }', {
    c: data.events.pageInfo.startCursor,
  });
  expect(answer).toEqual({ data: { events: { nodes: [] } } });
});

describe('mutations find nothing of another project', () => {
  const error = '... on Error { __typename code message }';
  test.each([
    ['updateCluster', 'clusterId', 'cluster'],
    ['deleteCluster', 'clusterId', 'cluster'],
    ['addInstances', 'clusterId', 'cluster'],
    ['dropInstances', 'clusterId', 'cluster'],
    ['restartCluster', 'clusterId', 'cluster'],
    ['backupCluster', 'clusterId', 'cluster'],
    ['restoreCluster', 'backupId', 'backup'],
    ['deleteBackup', 'backupId', 'backup'],
    ['verifyBackup', 'backupId', 'backup'],
    ['revealCredentials', 'clusterId', 'cluster'],
    ['cancelOperation', 'operationId', 'operation'],
    ['retryOperation', 'operationId', 'operation'],
    ['revokeApiKey', 'apiKeyId', 'API key'],
    ['updateWebhook', 'webhookId', 'webhook'],
    ['deleteWebhook', 'webhookId', 'webhook'],
    ['rotateWebhookSecret', 'webhookId', 'webhook'],
    ['replayWebhook', 'webhookId', 'webhook'],
  ])('%s', async (mutation, argument, noun) => {
    const changes: Record<string, string> = {
      updateCluster: ', deletionProtection: true',
      updateWebhook: ', paused: true',
      addInstances: ', count: 1',
      dropInstances: `, instanceIds: ["${instance}"]`,
      restoreCluster: ', name: "mine"',
    };
    const change = changes[mutation] ?? '';
    const ids = {
      clusterId: cluster.globalId,
      operationId: operation.globalId,
      backupId: backup,
      apiKeyId: ownersKey,
      webhookId: webhook,
    };
    const foreign = ids[argument as keyof typeof ids];
    for (const id of [foreign, encoded(`Cluster:${uuid}`), 'x']) {
      const answer = await world.ask(
        stranger,
        `mutation ($id: ID!) { r: ${mutation}(input: { ${argument}: $id${change} }) { ${error} } }`,
        {
          id,
        },
      );
      expect(answer).toEqual({
        data: {
          r: { __typename: 'NotFoundError', code: 'NOT_FOUND', message: `The ${noun} does not exist in this project.` },
        },
      });
    }
  });
});

test('instances of another cluster are found by no mutation of one’s own', async () => {
  const own = await insertCluster(world, stranger, { name: 'own', instances: 2 });
  for (const id of [instance, encoded(`Instance:${uuid}`), 'x']) {
    for (const mutation of ['dropInstances', 'restartCluster']) {
      const answer = await world.ask(
        stranger,
        `mutation ($id: ID!, $instances: [ID!]!) { r: ${mutation}(input: { clusterId: $id, instanceIds: $instances }) {
          ... on Error { code message } } }`,
        { id: own.globalId, instances: [id] },
      );
      // Whether it is unknown or another project's is not to be seen; that it is malformed is no secret.
      const isTold = id !== 'x';
      const fault = isTold ? 'is none of cluster "own"' : 'does not exist in this project';
      expect(answer.data.r).toEqual({ code: 'NOT_FOUND', message: `The instance ${fault}.` });
    }
  }
});

describe('subscriptions', () => {
  test.each([
    ['cluster', 'The cluster', () => [cluster.globalId, operation.globalId, 'x']],
    ['operation', 'The operation', () => [operation.globalId, cluster.globalId, 'x']],
  ])('%s of another project is refused at once', async (field, noun, ids) => {
    for (const id of ids()) {
      const stream = await world.subscribe(stranger, `subscription ($id: ID!) { ${field}(id: $id) { __typename } }`, {
        id,
      });
      expect((await stream.next())?.errors).toMatchObject([
        { message: `${noun} does not exist in this project.`, extensions: { code: 'NOT_FOUND' } },
      ]);
      expect(await stream.next()).toBe(null);
    }
  });
});
