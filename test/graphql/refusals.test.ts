import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { idOf } from '#graphql/globalId.ts';
import {
  createGraphqlWorld,
  type GraphqlWorld,
  globalId,
  insertBackup,
  insertCluster,
  insertOperation,
} from './graphqlWorld.ts';

let world: GraphqlWorld;
beforeAll(async () => {
  world = await createGraphqlWorld();
});
afterAll(() => world.close());

type Actor = Awaited<ReturnType<GraphqlWorld['createActor']>>;

/** What the mutation is refused with. */
async function refusal(
  actor: Actor,
  mutation: string,
  input: object,
): Promise<{ code: string; message: string; fields?: { path: string }[] }> {
  const type = `${mutation.slice(0, 1).toUpperCase()}${mutation.slice(1)}Input`;
  const document = `mutation ($input: ${type}!) { r: ${mutation}(input: $input) { ... on Error { code message ... on InvalidInputError { fields { path } } } } }`;
  const { data, errors } = await world.ask(actor, document, { input });
  expect(errors).toBeUndefined();
  return data.r;
}

describe('what is refused says', () => {
  test('that an instance is none of the cluster’s', async () => {
    const actor = await world.createActor();
    const orders = await insertCluster(world, actor, { name: 'orders', instances: 1 });
    const other = await insertCluster(world, actor, { name: 'other', instances: 1 });
    const instanceIds = other.instanceIds.map((id) => globalId('Instance', id));
    expect(await refusal(actor, 'restartCluster', { clusterId: orders.globalId, instanceIds })).toEqual({
      code: 'NOT_FOUND',
      message: 'The instance is none of cluster "orders".',
    });
  });

  test.each([
    ['addInstances', { count: 1 }, 'ACTIVE or DEGRADED'],
    ['restartCluster', {}, 'ACTIVE or DEGRADED or DOWN'],
    ['restartCluster', { force: true }, 'ACTIVE or DEGRADED or DOWN'],
    ['updateCluster', { synchronous: true }, 'ACTIVE or DEGRADED'],
    ['backupCluster', { name: 'nightly' }, 'ACTIVE or DEGRADED'],
    ['promoteInstance', { mode: 'PLANNED' }, 'ACTIVE or DEGRADED or DOWN'],
  ])('how a cluster in ERROR is got out of it: %s %j', async (mutation, input, allowed) => {
    const actor = await world.createActor();
    const failed = { name: 'orders', lifecycle: 'FAILED', status: 'ERROR', instances: 1 } as const;
    const { globalId: clusterId } = await insertCluster(world, actor, failed);
    expect(await refusal(actor, mutation, { clusterId, ...input })).toEqual({
      code: 'CLUSTER_STATUS',
      message:
        `Cluster "orders" is ERROR; this is possible only while it is ${allowed}. ` +
        'Try the operation that failed again with retryOperation, or remove the cluster with deleteCluster.',
    });
  });

  const unseen = {
    ...{ 'right-to-left override': 'a\u202eb', isolate: 'a\u2066b', mark: 'a\u200fb', 'Arabic mark': 'a\u061cb' },
    ...{ 'zero-width space': 'a\u200bb', joiner: 'a\u200db', 'byte order mark': 'a\ufeffb', 'soft hyphen': 'a\u00adb' },
    ...{ filler: 'a\u3164b', 'line separator': 'a\u2028b', escape: 'a\u001bb', 'tag character': 'a\u{e0041}b' },
  };

  test.each(Object.entries(unseen))(
    'which text for people has a character that is not seen: %s',
    async (_name, text) => {
      const actor = await world.createActor();
      const { globalId: clusterId } = await insertCluster(world, actor, { name: 'orders', instances: 1 });
      const { globalId: backupId } = await insertBackup(world, actor, {
        id: idOf('Cluster', clusterId) ?? '',
        instanceIds: [],
      });
      const url = 'https://example.org/hooks';
      const created = { engine: 'fake', instanceCount: 1 };
      const asked: [string, object, string][] = [
        ['createApiKey', { name: text, role: 'VIEWER' }, 'name'],
        ['createCluster', { ...created, name: text }, 'name'],
        ['createCluster', { engine: 'fake', name: 'ok', instances: [{ name: text }] }, 'instances.0.name'],
        [
          'createCluster',
          { ...created, name: 'ok', accessRules: [{ cidr: '10.0.0.0/8', description: text }] },
          'accessRules.0.description',
        ],
        ['addInstances', { clusterId, instances: [{ name: text }] }, 'instances.0.name'],
        ['backupCluster', { clusterId, name: text }, 'name'],
        ['restoreCluster', { backupId, name: text }, 'name'],
        ['createWebhook', { url, description: text }, 'description'],
        ['updateWebhook', { webhookId: globalId('Webhook', crypto.randomUUID()), description: text }, 'description'],
      ];
      for (const [mutation, input, path] of asked) {
        const { code, fields } = await refusal(actor, mutation, input);
        expect({ code, paths: fields?.map((fault) => fault.path) }, mutation).toEqual({
          code: 'INVALID_INPUT',
          paths: [path],
        });
      }
    },
  );

  test('nothing of a text in any script, or with an emoji', async () => {
    const actor = await world.createActor();
    for (const name of ['Büro', 'مكتب', '事務所 2', 'laptop ❤️']) {
      expect(await refusal(actor, 'createApiKey', { name, role: 'VIEWER' }), name).toEqual({});
    }
  });

  test('which field needs a higher role', async () => {
    const actor = await world.createActor('OPERATOR');
    const { globalId: clusterId } = await insertCluster(world, actor, { instances: 1 });
    expect(await refusal(actor, 'updateCluster', { clusterId, deletionProtection: false })).toEqual({
      code: 'FORBIDDEN',
      message: 'The field deletionProtection of UPDATE_CLUSTER needs a key of role ADMIN; this key has role OPERATOR.',
    });
    expect(await refusal(actor, 'updateCluster', { clusterId, failover: { mode: 'MANUAL' } })).toEqual({});
  });

  test.each(['apiKeys', 'webhooks'])('which role %s needs', async (field) => {
    const { errors } = await world.ask(await world.createActor('OPERATOR'), `{ ${field} { totalCount } }`);
    expect(errors).toMatchObject([
      {
        message: `Query.${field} needs a key of role ADMIN; this key has role OPERATOR.`,
        extensions: { code: 'FORBIDDEN' },
      },
    ]);
  });

  test.each([
    ['cancelOperation', 'cannot be cancelled: it has ended (SUCCEEDED)'],
    ['retryOperation', 'cannot be retried: it is SUCCEEDED; only FAILED and CANCELLED ones can be'],
  ])('whose operation it is: %s', async (mutation, fault) => {
    const actor = await world.createActor();
    const { id } = await insertCluster(world, actor, { name: 'orders', instances: 1 });
    const ended = { status: 'SUCCEEDED', finishedAt: new Date() } as const;
    const { globalId: operationId } = await insertOperation(world, actor, id, ended);
    expect((await refusal(actor, mutation, { operationId })).message).toBe(
      `Operation CREATE_CLUSTER of cluster "orders" ${fault}.`,
    );
  });

  test('all that is wrong with an input, a network besides', async () => {
    const { message } = await refusal(await world.createActor(), 'createCluster', {
      name: 'Orders',
      engine: 'e'.repeat(10_000),
      engineVersion: '',
      accessRules: [{ cidr: '010.0.0.0/8', description: 'x'.repeat(201) }, { cidr: '::1/128' }, { cidr: '0::1/128' }],
      failover: { detectAfterSeconds: 0, maxLagBytes: '9223372036854775807' },
    });
    expect(message.split('; ')).toEqual([
      'name: must have only a-z, 0-9 and inner hyphens, and begin with a letter',
      'engine: must have at most 40 characters',
      'engineVersion: must not be empty',
      'accessRules.0.cidr: must be a network in CIDR notation without host bits or leading zeros, like 10.0.0.0/8',
      'accessRules.0.description: must have at most 200 characters',
      'accessRules: must name each network once',
      'failover.maxLagBytes: must be at most 9007199254740991',
      'failover.detectAfterSeconds: must be at least 1',
      'instanceCount: must be given, or instances instead of it',
    ]);
  });
});

describe('a number that is too large', () => {
  const asked = async (value: unknown) => {
    const document = `mutation ($bytes: BigInt!) { r: createCluster(input: { name: "x", engine: "fake", instanceCount: 1, plan: true,
      failover: { maxLagBytes: $bytes } }) { __typename } }`;
    const { errors, data } = await world.ask(await world.createActor(), document, { bytes: value });
    return errors?.[0]?.message ?? data.r.__typename;
  };

  test.each([
    ['9223372036854775808', /BigInt is too large: at most 64 bits.*found "9223372036854775808"/],
    ['-9223372036854775809', /BigInt is too large/],
    ['1'.repeat(1000), /found "1{59}…\.$/],
    [2 ** 53, /BigInt is too large for a JSON number.*as a string/],
    [1.5, /BigInt must be a string of decimal digits, found 1\.5/],
    ['x'.repeat(1000), /BigInt must be a string of decimal digits, found "x{59}…\.$/],
  ])('%j is said to be so', async (value, words) => {
    expect(await asked(value)).toMatch(words);
  });

  test('is none up to its bound', async () => {
    expect(await asked('9007199254740991')).toBe('OperationPlanned');
    expect(await asked(Number.MAX_SAFE_INTEGER)).toBe('OperationPlanned');
  });
});
