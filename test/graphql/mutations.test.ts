import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Actor } from '#domain/actor.ts';
import { idOf } from '#graphql/globalId.ts';
import {
  type Answer,
  createGraphqlWorld,
  type GraphqlWorld,
  insertCluster,
  normalised,
  type Variables,
} from './graphqlWorld.ts';

let world: GraphqlWorld;
let actor: Actor;
beforeAll(async () => {
  world = await createGraphqlWorld({ working: true });
  actor = await world.createActor();
});
afterAll(() => world.close());

const create = /* GraphQL */ `
  mutation ($input: CreateClusterInput!) {
    createCluster(input: $input) {
      __typename
      ... on CreateClusterPayload {
        cluster { id name status version engineVersion instanceCount instances { nodes { name status } } }
        operation { id kind steps { name } requestedBy { kind name role } }
      }
      ... on Error { code message }
      ... on InvalidInputError { fields { path message } }
      ... on TopologyError { rule minimum maximum }
      ... on EngineUnavailableError { reason }
      ... on NameTakenError { takenName }
      ... on IdempotencyConflictError { idempotencyKey }
    }
  }
`;

async function createCluster(input: Variables): Promise<Answer> {
  return await world.ask(actor, create, { input: { engine: 'fake', instanceCount: 1, ...input } });
}

const ended = (globalId: string) => world.operations.ended(idOf('Operation', globalId) ?? '');

test('createCluster answers with the cluster and its operation; then the operation makes the cluster', async () => {
  const answered = Promise.withResolvers<void>();
  world.operations.machines.interfere(() => answered.promise);
  const answer = await createCluster({ name: 'orders', instanceCount: 2 });
  answered.resolve();
  const { cluster, operation } = answer.data.createCluster;
  expect(normalised(answer, { [cluster.id]: '<cluster>', [operation.id]: '<operation>' })).toMatchInlineSnapshot(`
    {
      "data": {
        "createCluster": {
          "__typename": "CreateClusterPayload",
          "cluster": {
            "engineVersion": "2",
            "id": "<cluster>",
            "instanceCount": 2,
            "instances": {
              "nodes": [
                {
                  "name": "orders-1",
                  "status": "PENDING",
                },
                {
                  "name": "orders-2",
                  "status": "PENDING",
                },
              ],
            },
            "name": "orders",
            "status": "BUILDING",
            "version": 1,
          },
          "operation": {
            "id": "<operation>",
            "kind": "CREATE_CLUSTER",
            "requestedBy": {
              "kind": "API_KEY",
              "name": "test key",
              "role": "ADMIN",
            },
            "steps": [
              {
                "name": "create the network",
              },
              {
                "name": "provision orders-1",
              },
              {
                "name": "provision orders-2",
              },
              {
                "name": "bootstrap orders-1",
              },
              {
                "name": "join orders-2",
              },
              {
                "name": "verify the cluster",
              },
            ],
          },
        },
      },
    }
  `);
  await ended(operation.id);
  const after = await world.ask(
    actor,
    `query ($id: ID!, $operation: ID!) {
      cluster(by: { id: $id }) { status primary { name role } endpoints { kind uri } currentOperation { id } }
      node(id: $operation) { ... on Operation { status progress error { code } result { __typename ... on ClusterCreated { primary { name } } } } }
    }`,
    { id: cluster.id, operation: operation.id },
  );
  expect(after).toMatchInlineSnapshot(`
    {
      "data": {
        "cluster": {
          "currentOperation": null,
          "endpoints": [
            {
              "kind": "READ_WRITE",
              "uri": "fake://app@127.0.0.1:5432/app",
            },
            {
              "kind": "READ_ONLY",
              "uri": "fake://app@127.0.0.1:5432/app",
            },
          ],
          "primary": {
            "name": "orders-1",
            "role": "PRIMARY",
          },
          "status": "ACTIVE",
        },
        "node": {
          "error": null,
          "progress": 1,
          "result": {
            "__typename": "ClusterCreated",
            "primary": {
              "name": "orders-1",
            },
          },
          "status": "SUCCEEDED",
        },
      },
    }
  `);
});

describe('createCluster is refused with the typed error', () => {
  test.each<[string, Variables]>([
    ['a faulty name and network', { name: 'No', accessRules: [{ cidr: '10.0.0.0' }] }],
    ['an unknown engine', { name: 'a', engine: 'oracle' }],
    ['an engine version that is not there', { name: 'a', engineVersion: '1' }],
    ['too many instances', { name: 'a', instanceCount: 17 }],
    [
      'unequal sizes',
      { name: 'a', instanceCount: null, instances: [{}, { size: { cpuMillis: 200, memoryMiB: 512, storageGiB: 10 } }] },
    ],
  ])('%s', async (_what, input) => {
    const before = await world.operations.deps.db.cluster.count();
    const answer = await createCluster(input);
    expect(answer.data.createCluster).toMatchSnapshot();
    expect(await world.operations.deps.db.cluster.count()).toBe(before);
  });

  test('a name that is taken', async () => {
    await insertCluster(world, actor, { name: 'taken' });
    const { data } = await createCluster({ name: 'taken' });
    expect(data.createCluster).toMatchObject({ __typename: 'NameTakenError', code: 'NAME_TAKEN', takenName: 'taken' });
  });
});

test('an idempotency key brings the first answer again, and refuses another request', async () => {
  const first = await createCluster({ name: 'once', idempotencyKey: 'k1' });
  const again = await createCluster({ name: 'once', idempotencyKey: 'k1' });
  const other = await createCluster({ name: 'twice', idempotencyKey: 'k1' });
  expect(again.data.createCluster.operation.id).toBe(first.data.createCluster.operation.id);
  expect(other.data.createCluster).toMatchObject({ __typename: 'IdempotencyConflictError', idempotencyKey: 'k1' });
  await ended(first.data.createCluster.operation.id);
});

test('a cluster is updated at the version that was read, protected from deletion, then deleted', async () => {
  const { data } = await createCluster({ name: 'life', deletionProtection: true });
  const { cluster, operation } = data.createCluster;
  await ended(operation.id);
  const update = (input: Variables) =>
    world.ask(
      actor,
      `mutation ($input: UpdateClusterInput!) { r: updateCluster(input: $input) {
        ... on UpdateClusterPayload { cluster { version deletionProtection network { accessRules { cidr description } } } operation { id kind } }
        ... on StaleVersionError { currentVersion } ... on Error { code } } }`,
      { input: { clusterId: cluster.id, ...input } },
    );
  const remove = (input: Variables = {}) =>
    world.ask(
      actor,
      `mutation ($input: DeleteClusterInput!) { r: deleteCluster(input: $input) {
        ... on DeleteClusterPayload { cluster { status } operation { id } }
        ... on StaleVersionError { currentVersion } ... on Error { code message } } }`,
      { input: { clusterId: cluster.id, ...input } },
    );
  expect((await remove()).data.r.code).toBe('DELETION_PROTECTED');
  expect((await update({ expectedVersion: 7, deletionProtection: false })).data.r).toEqual({
    code: 'STALE_VERSION',
    currentVersion: 1,
  });
  const updated = await update({
    expectedVersion: 1,
    deletionProtection: false,
    accessRules: [{ cidr: '10.0.0.0/8' }],
  });
  expect(updated.data.r.cluster).toEqual({
    version: 2,
    deletionProtection: false,
    network: { accessRules: [{ cidr: '10.0.0.0/8', description: null }] },
  });
  await ended(updated.data.r.operation.id);
  const deleted = await remove({ expectedVersion: 2 });
  expect(deleted.data.r.cluster.status).toBe('DELETING');
  await ended(deleted.data.r.operation.id);
  const gone = await world.ask(
    actor,
    'query ($id: ID!) { cluster(by: { id: $id }) { status deletedAt instances { totalCount } endpoints { uri } } byName: cluster(by: { name: "life" }) { id } }',
    { id: cluster.id },
  );
  expect(gone.data).toMatchObject({
    cluster: { status: 'DELETED', instances: { totalCount: 0 }, endpoints: [] },
    byName: null,
  });
});

test('revealCredentials shows the password, and leaves an event without it', async () => {
  const { data } = await createCluster({ name: 'vault' });
  await ended(data.createCluster.operation.id);
  const revealed = await world.ask(
    actor,
    'mutation ($id: ID!) { r: revealCredentials(input: { clusterId: $id }) { ... on RevealCredentialsPayload { username password database uri } } }',
    { id: data.createCluster.cluster.id },
  );
  const { username, password, uri } = revealed.data.r;
  expect(username).toBe('app');
  expect(uri).toContain(password);
  const { data: log } = await world.ask(
    actor,
    '{ events(filter: { types: [CREDENTIALS_REVEALED] }, last: 1) { nodes { type payload cluster { name } actor { name role } } } }',
  );
  expect(log.events.nodes).toMatchObject([{ cluster: { name: 'vault' }, actor: { name: 'test key', role: 'ADMIN' } }]);
  expect(JSON.stringify(log)).not.toContain(password);
});

test('an operation that failed is told with its error, retried, and cancelled only while it runs', async () => {
  world.operations.machines.interfere(async (call) => {
    if (call === 'bootstrap fails-1') throw new Error('no disk');
  });
  const { data } = await createCluster({ name: 'fails' });
  const { operation } = data.createCluster;
  await ended(operation.id);
  const failed = await world.ask(
    actor,
    'query ($id: ID!) { node(id: $id) { ... on Operation { status error { code message step retryable } cluster { status } } } }',
    { id: operation.id },
  );
  expect(failed.data.node).toMatchObject({ status: 'FAILED', cluster: { status: 'ERROR' } });
  expect(failed.data.node.error).toMatchObject({
    code: expect.any(String),
    message: expect.any(String),
    retryable: expect.any(Boolean),
  });
  const steer = (verb: string) =>
    world.ask(
      actor,
      `mutation ($id: ID!) { r: ${verb}(input: { operationId: $id }) { __typename ... on Error { code message } } }`,
      { id: operation.id },
    );
  expect((await steer('cancelOperation')).data.r).toMatchObject({ __typename: 'OperationNotCancellableError' });
  world.operations.machines.interfere(async () => {});
  expect((await steer('retryOperation')).data.r).toMatchObject({ __typename: 'RetryOperationPayload' });
  expect((await ended(operation.id)).status).toBe('SUCCEEDED');
  expect((await steer('retryOperation')).data.r).toMatchObject({ __typename: 'OperationNotRetryableError' });
});

test('keys are made, shown once, listed and revoked', async () => {
  const made = await world.ask(
    actor,
    'mutation { r: createApiKey(input: { name: "ci", role: OPERATOR, expiresAt: "2999-01-01T00:00:00+01:00" }) { ... on CreateApiKeyPayload { key apiKey { id name role expiresAt publicId } } } }',
  );
  const { key, apiKey } = made.data.r;
  expect(apiKey).toMatchObject({ name: 'ci', role: 'OPERATOR', expiresAt: '2998-12-31T23:00:00.000Z' });
  expect(key).toContain(`grv_${apiKey.publicId}_`);
  const revoked = await world.ask(
    actor,
    'mutation ($id: ID!) { r: revokeApiKey(input: { apiKeyId: $id }) { ... on RevokeApiKeyPayload { apiKey { revokedAt } } } }',
    { id: apiKey.id },
  );
  expect(revoked.data.r.apiKey.revokedAt).toMatch(/Z$/);
  const listed = await world.ask(actor, '{ apiKeys { totalCount nodes { name role } } }');
  expect(listed.data.apiKeys).toEqual({
    totalCount: 2,
    nodes: [
      { name: 'test key', role: 'ADMIN' },
      { name: 'ci', role: 'OPERATOR' },
    ],
  });
});
