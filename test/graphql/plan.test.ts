import { getNamedType, isInputObjectType, isUnionType } from 'graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Actor } from '#domain/actor.ts';
import { buildSchema } from '#graphql/schema.ts';
import { storeDigest } from '../support/storeDigest.ts';
import {
  createGraphqlWorld,
  type GraphqlWorld,
  globalId,
  insertBackup,
  insertCluster,
  insertOperation,
  type Variables,
} from './graphqlWorld.ts';

let world: GraphqlWorld;
let actor: Actor;
beforeAll(async () => {
  world = await createGraphqlWorld();
  actor = await world.createActor();
});
afterAll(() => world.close());

const mutations = Object.values(buildSchema().getMutationType()?.getFields() ?? {}).flatMap(({ name, args, type }) => {
  const input = getNamedType(args[0]?.type);
  const fields = isInputObjectType(input) ? input.getFields() : {};
  const result = getNamedType(type);
  const members = isUnionType(result) ? result.getTypes().map((member) => member.name) : [];
  return 'idempotencyKey' in fields ? [{ name, fields: Object.keys(fields), members }] : [];
});

test.each(mutations)('$name, as every change of a cluster, has a dry run', ({ fields, members }) => {
  expect(fields).toContain('plan');
  expect(members).toContain('OperationPlanned');
});

const inputs: Record<string, (clusterId: string, lastInstanceId: string, backupId: string) => Variables> = {
  createCluster: () => ({ name: 'planned', engine: 'fake', instanceCount: 1 }),
  updateCluster: (clusterId) => ({ clusterId, accessRules: [] }),
  deleteCluster: (clusterId) => ({ clusterId }),
  addInstances: (clusterId) => ({ clusterId, count: 1 }),
  dropInstances: (clusterId, instanceId) => ({ clusterId, instanceIds: [instanceId] }),
  restartCluster: (clusterId) => ({ clusterId }),
  promoteInstance: (clusterId, instanceId) => ({ clusterId, instanceId, mode: 'PLANNED' }),
  rejoinInstance: (clusterId, instanceId) => ({ clusterId, instanceId }),
  backupCluster: (clusterId) => ({ clusterId }),
  restoreCluster: (_clusterId, _instanceId, backupId) => ({ backupId, name: 'restored' }),
  deleteBackup: (_clusterId, _instanceId, backupId) => ({ backupId }),
  verifyBackup: (_clusterId, _instanceId, backupId) => ({ backupId }),
};

/** What speaks against a change of a cluster that is as it should be. */
const blocked: Record<string, string> = { rejoinInstance: 'INSTANCE_NOT_REJOINABLE' };

const planned =
  '... on OperationPlanned { kind allowed steps { name instanceName } blockers { __typename code message } warnings { code message } quota { resource change used limit } }';

const ask = (asker: Actor, mutation: string, input: Variables) =>
  world.ask(
    asker,
    `mutation ($input: ${mutation.slice(0, 1).toUpperCase()}${mutation.slice(1)}Input!) {
      r: ${mutation}(input: $input) { __typename ${planned} ... on Error { code } }
    }`,
    { input },
  );

test.each(mutations)('a dry run of $name writes nothing, whatever it is asked by', async ({ name }) => {
  const cluster = await insertCluster(world, actor, { instances: 2, healthLevel: 'HEALTHY' });
  const lastInstanceId = globalId('Instance', cluster.instanceIds.at(-1) ?? '');
  const backup = await insertBackup(world, actor, cluster);
  const input = { ...inputs[name]?.(cluster.globalId, lastInstanceId, backup.globalId), plan: true };
  const viewer: Actor = { ...(actor as Actor & { kind: 'API_KEY' }), role: 'VIEWER' };
  const before = await storeDigest(world.operations.deps.db);
  const { data } = await ask(actor, name, { ...input, idempotencyKey: 'unused' });
  const blocker = blocked[name] === undefined ? [] : [{ code: blocked[name] }];
  expect(data.r).toMatchObject({ __typename: 'OperationPlanned', allowed: blocker.length === 0, blockers: blocker });
  expect(data.r.steps.length > 0).toBe(data.r.allowed);
  expect((await ask(viewer, name, input)).data.r).toMatchObject({ __typename: 'ForbiddenError' });
  expect(await storeDigest(world.operations.deps.db)).toEqual(before);
});

test('a dry run shows what blocks it as the errors that they are, and what goes with it', async () => {
  const cluster = await insertCluster(world, actor, { name: 'kept', instances: 1, deletionProtection: true });
  const operation = await insertOperation(world, actor, cluster.id, { kind: 'UPDATE_CLUSTER' });
  const { data } = await world.ask(
    actor,
    `mutation ($id: ID!) { r: deleteCluster(input: { clusterId: $id, plan: true, expectedVersion: 4 }) {
      ${planned} ... on OperationPlanned { blockers {
        ... on StaleVersionError { currentVersion } ... on ClusterBusyError { operation { id kind } } } } } }`,
    { id: cluster.globalId },
  );
  expect(data.r).toEqual({
    kind: 'DELETE_CLUSTER',
    allowed: false,
    steps: [],
    blockers: [
      {
        __typename: 'StaleVersionError',
        code: 'STALE_VERSION',
        message: 'Cluster "kept" is at version 1, not 4. Read it again before you change it.',
        currentVersion: 1,
      },
      {
        __typename: 'ClusterBusyError',
        code: 'CLUSTER_BUSY',
        message: expect.stringContaining('is held by operation UPDATE_CLUSTER'),
        operation: { id: operation.globalId, kind: 'UPDATE_CLUSTER' },
      },
      {
        __typename: 'DeletionProtectedError',
        code: 'DELETION_PROTECTED',
        message: expect.stringContaining('protected from deletion'),
      },
    ],
    warnings: [{ code: 'DATA_LOSS', message: expect.stringContaining('only a backup') }],
    quota: [
      { resource: 'INSTANCES', change: -1, used: expect.any(Number), limit: 1000 },
      { resource: 'STORAGE_GIB', change: -10, used: expect.any(Number), limit: 100_000 },
    ],
  });
});

test('a dry run of deleteBackup says what is lost: more, where it is the last one or its cluster is gone', async () => {
  const cluster = await insertCluster(world, actor, { name: 'orders', instances: 1 });
  const first = await insertBackup(world, actor, cluster, { name: 'first' });
  const failed = await insertBackup(world, actor, cluster, { name: 'failed', status: 'FAILED' });
  const warnings = async ({ globalId: backupId }: { globalId: string }) =>
    (await ask(actor, 'deleteBackup', { backupId, plan: true })).data.r.warnings;
  const lost = 'The data in backup "first" go with its files, for good.';
  const last = 'It is the last completed backup of cluster "orders"';
  expect(await warnings(first)).toEqual([{ code: 'DATA_LOSS', message: `${lost} ${last}.` }]);
  expect(await warnings(failed)).toEqual([]);

  const second = await insertBackup(world, actor, cluster, { name: 'second' });
  expect(await warnings(first)).toEqual([{ code: 'DATA_LOSS', message: lost }]);
  const { db } = world.operations.deps;
  await db.cluster.update({ where: { id: cluster.id }, data: { lifecycle: 'DELETED', deletedAt: new Date() } });
  const deleted = 'luster "orders" itself is deleted.';
  expect(await warnings(first)).toEqual([{ code: 'DATA_LOSS', message: `${lost} C${deleted}` }]);
  await db.backup.update({ where: { id: second.id }, data: { status: 'DELETED', deletedAt: new Date() } });
  expect(await warnings(first)).toEqual([{ code: 'DATA_LOSS', message: `${lost} ${last}, and c${deleted}` }]);
});

test('the quota of a project is read by whoever may read, set by an ADMIN, and refuses what is too much', async () => {
  const admin = await world.createActor();
  await insertCluster(world, admin, { instances: 2 });
  const set = await world.ask(
    admin,
    `mutation { r: updateProject(input: { quota: { instances: 3, backups: 5 } }) {
      ... on UpdateProjectPayload { project { quota { resource used reserved limit } } } } }`,
  );
  expect(set.data.r.project.quota).toEqual([
    { resource: 'INSTANCES', used: 2, reserved: 0, limit: 3 },
    { resource: 'STORAGE_GIB', used: 20, reserved: 0, limit: 100_000 },
    { resource: 'BACKUPS', used: 0, reserved: 0, limit: 5 },
  ]);
  const { data } = await world.ask(
    admin,
    `mutation { r: createCluster(input: { name: "much", engine: "fake", instanceCount: 2 }) {
      ... on QuotaExceededError { code message resource limit used requested } } }`,
  );
  expect(data.r).toEqual({
    code: 'QUOTA_EXCEEDED',
    message: expect.stringContaining('the project uses 2 of 3'),
    resource: 'INSTANCES',
    limit: 3,
    used: 2,
    requested: 2,
  });
  const viewer: Actor = { ...(admin as Actor & { kind: 'API_KEY' }), role: 'VIEWER' };
  const read = await world.ask(viewer, '{ viewer { project { quota { resource used } } } }');
  expect(read.data.viewer.project.quota[0]).toEqual({ resource: 'INSTANCES', used: 2 });
  const refused = await world.ask(
    { ...(admin as Actor & { kind: 'API_KEY' }), role: 'OPERATOR' },
    'mutation { r: updateProject(input: { quota: { instances: 9 } }) { ... on ForbiddenError { requiredRole } } }',
  );
  expect(refused.data.r).toEqual({ requiredRole: 'ADMIN' });
});
