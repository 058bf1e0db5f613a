import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Actor } from '#domain/actor.ts';
import { at, createGraphqlWorld, type GraphqlWorld, insertBackup, insertCluster, normalised } from './graphqlWorld.ts';

let world: GraphqlWorld;
let actor: Actor;
let cluster: Awaited<ReturnType<typeof insertCluster>>;

beforeAll(async () => {
  world = await createGraphqlWorld();
  actor = await world.createActor();
  const backupPolicy = { schedule: '30 2 * * *', keepCount: 7, keepDays: null, verify: false };
  cluster = await insertCluster(world, actor, { name: 'orders', instances: 2, backupPolicy });
});
afterAll(() => world.close());

test('a backup is told with its parts, and found by its cluster', async () => {
  const backup = await insertBackup(world, actor, cluster, { name: 'nightly', scheduled: true });
  const document = /* GraphQL */ `
    query ($id: ID!) {
      cluster(by: { id: $id }) {
        restoredFrom { name }
        backupPolicy { schedule keepCount keepDays verify }
        backups {
          totalCount
          nodes {
            id name status statusReason scheduled clusterName engineVersion instanceCount bytes createdAt startedAt finishedAt
            lastVerifiedAt deletedAt
            cluster { name } engine { name } requestedBy { kind name } operation { kind status }
            instanceSize { cpuMillis memoryMiB storageGiB }
            parts {
              instanceName status bytes dataBytes sha256 startPosition endPosition timeline error fault
              instance { name }
            }
          }
        }
      }
    }
  `;
  const answer = await world.ask(actor, document, { id: cluster.globalId });
  const part = {
    ...{ status: 'COMPLETED', bytes: '1000', dataBytes: '4000', sha256: 'ab'.repeat(32) },
    ...{ startPosition: '0/1', endPosition: '0/2', timeline: 1, error: null, fault: null },
  };
  expect(normalised(answer, { [backup.globalId]: '<backup>' })).toEqual({
    data: {
      cluster: {
        restoredFrom: null,
        backupPolicy: { schedule: '30 2 * * *', keepCount: 7, keepDays: null, verify: false },
        backups: {
          totalCount: 1,
          nodes: [
            {
              ...{ id: '<backup>', name: 'nightly', status: 'COMPLETED', statusReason: null, scheduled: true },
              ...{ clusterName: 'orders', engineVersion: '2', instanceCount: 2, bytes: '2000' },
              ...{ createdAt: at(10).toISOString(), startedAt: at(11).toISOString(), finishedAt: at(12).toISOString() },
              ...{ lastVerifiedAt: null, deletedAt: null, cluster: { name: 'orders' }, engine: { name: 'fake' } },
              requestedBy: { kind: 'SYSTEM', name: 'test' },
              operation: { kind: 'BACKUP_CLUSTER', status: 'SUCCEEDED' },
              instanceSize: { cpuMillis: 1000, memoryMiB: 512, storageGiB: 10 },
              parts: [
                { instanceName: 'orders-1', ...part, instance: { name: 'orders-1' } },
                { instanceName: 'orders-2', ...part, instance: { name: 'orders-2' } },
              ],
            },
          ],
        },
      },
    },
  });
});

test('backups are filtered, and those that are deleted told only where that is asked for', async () => {
  await insertBackup(world, actor, cluster, { name: 'gone', status: 'DELETED', deletedAt: at(20) });
  await insertBackup(world, actor, cluster, { name: 'failed', status: 'FAILED', statusReason: 'The disk is full.' });
  const namesOf = async (filter: string) => {
    const { data } = await world.ask(actor, `{ backups(filter: { ${filter} }) { nodes { name } } }`);
    return data.backups.nodes.map(({ name }: { name: string }) => name).sort();
  };
  expect(await namesOf('')).toEqual(['failed', 'nightly']);
  expect(await namesOf('includeDeleted: true')).toEqual(['failed', 'gone', 'nightly']);
  expect(await namesOf('status: [FAILED]')).toEqual(['failed']);
  expect(await namesOf('scheduled: true')).toEqual(['nightly']);
});

test('a preview names what stands in the way', async () => {
  const failed = await insertBackup(world, actor, cluster, { name: 'bad', status: 'FAILED' });
  const preview =
    'query ($id: ID!) { restorePreview(backupId: $id) { restorable blockers { __typename code } bytes dataBytes } }';
  expect(await world.ask(actor, preview, { id: failed.globalId })).toEqual({
    data: {
      restorePreview: {
        restorable: false,
        blockers: [{ __typename: 'BackupNotRestorableError', code: 'BACKUP_NOT_RESTORABLE' }],
        ...{ bytes: '2000', dataBytes: '8000' },
      },
    },
  });
});

test('a backup that is known to be at fault says so, and a failed one shows no bytes', async () => {
  const document =
    'query ($id: ID!) { node(id: $id) { ... on Backup { status statusReason fault bytes parts { bytes } } } }';
  const bad = await insertBackup(world, actor, cluster, { name: 'lost' });
  const { parts } = await world.operations.deps.db.backup.findUniqueOrThrow({
    where: { id: bad.id },
    include: { parts: { orderBy: { instanceName: 'asc' } } },
  });
  const [first, second] = parts.map(({ id }) => ({ where: { id } }));
  if (!first || !second) throw new Error('the backup has two parts');
  await world.operations.deps.db.instanceBackup.update({ ...first, data: { fault: 'DAMAGED' } });
  await world.operations.deps.db.instanceBackup.update({ ...second, data: { fault: 'MISSING' } });
  expect((await world.ask(actor, document, { id: bad.globalId })).data.node).toMatchObject({
    status: 'COMPLETED',
    statusReason:
      'Known to be missing from the backup store: the part of orders-2. Known to be damaged: the part of orders-1.',
    fault: 'MISSING',
  });
  const failed = await insertBackup(world, actor, cluster, { name: 'full', status: 'FAILED', statusReason: 'Full.' });
  const data = { status: 'FAILED', location: null } as const;
  await world.operations.deps.db.instanceBackup.updateMany({ where: { backupId: failed.id }, data });
  expect((await world.ask(actor, document, { id: failed.globalId })).data.node).toEqual({
    ...{ status: 'FAILED', statusReason: 'Full.', fault: null, bytes: null },
    parts: [{ bytes: null }, { bytes: null }],
  });
});
