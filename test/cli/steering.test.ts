import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { idOf } from '#graphql/globalId.ts';
import { createServerWorld } from '../server/serverWorld.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { storeDigest } from '../support/storeDigest.ts';
import { signedInPerson } from './person.ts';

let operations: TestOperations;
beforeAll(async () => {
  operations = await createTestOperations();
  return () => operations.close();
});

/** Somebody with a cluster on fake machines, who may ask for JSON. */
async function withOrders(instances = 2) {
  const { grove } = await signedInPerson(await createServerWorld(operations));
  const create = ['clusters', 'create', 'orders', '--engine', 'fake', '--instances', String(instances), '--wait'];
  expect(await grove(create)).toMatchObject({ code: 0, err: '' });
  const json = async (words: string[]) => JSON.parse((await grove([...words, '--json'])).out);
  const stored = async () => {
    const { id } = await json(['clusters', 'get', 'orders']);
    return await operations.deps.db.cluster.findUniqueOrThrow({ where: { id: idOf('Cluster', id) ?? '' } });
  };
  return { grove, json, stored };
}

describe('clusters update', () => {
  test('changes what is named, and leaves the rest', async () => {
    const { grove, json, stored } = await withOrders();
    const update = async (...options: string[]) => {
      const { code, err, out } = await grove(['clusters', 'update', 'orders', '--wait', ...options]);
      expect({ code, err, last: out.trim().split('\n').at(-1) }).toEqual({
        ...{ code: 0, err: '' },
        last: 'UPDATE_CLUSTER of orders: SUCCEEDED',
      });
      return await stored();
    };
    const { failoverMaxLagBytes } = await stored();
    const failover = await update('--failover', 'manual', '--detect-after-seconds', '7');
    expect(failover).toMatchObject({ failoverMode: 'MANUAL', failoverDetectAfterSeconds: 7, failoverMaxLagBytes });
    expect(await update('--max-lag-bytes', '34359738368')).toMatchObject({
      failoverMaxLagBytes: 34_359_738_368n,
      failoverMode: 'MANUAL',
    });
    expect(await update('--protect')).toMatchObject({ deletionProtection: true });
    expect(await update('--no-protect')).toMatchObject({ deletionProtection: false });
    expect(await update('--synchronous')).toMatchObject({ synchronous: true });
    expect(await update('--no-synchronous')).toMatchObject({ synchronous: false });
    const backups = await update('--backup-schedule', '30 2 * * *', '--keep-count', '7', '--verify-backups');
    expect(backups.backupPolicy).toEqual({ schedule: '30 2 * * *', keepCount: 7, keepDays: null, verify: true });
    expect((await update('--no-backup-schedule')).backupPolicy).toBeNull();

    const { id } = await json(['clusters', 'get', 'orders']);
    const described = [{ cidr: '10.0.0.0/8', description: 'The office' }];
    await operations.deps.db.cluster.update({
      where: { id: idOf('Cluster', id) ?? '' },
      data: { accessRules: described },
    });
    const open = await update('--allow', '10.0.0.0/8', '--allow', '192.168.7.0/24');
    expect(open.accessRules).toEqual([...described, { cidr: '192.168.7.0/24', description: null }]);
    expect((await update('--no-allow')).accessRules).toEqual([]);
  }, 60_000);

  test.each([
    [[], 'Say what to change. See grove clusters update --help.'],
    [['--protect', '--no-protect'], '--protect and --no-protect exclude each other.'],
    [['--allow', '10.0.0.0/8', '--no-allow'], '--allow and --no-allow exclude each other.'],
    [['--failover', 'sometimes'], '--failover takes automatic or manual, not "sometimes".'],
    [['--max-lag-bytes', '1.5'], '--max-lag-bytes takes a whole number, not "1.5".'],
    [['--keep-count', '3'], 'How long backups are kept goes with --backup-schedule. See grove clusters update --help.'],
    [
      ['--backup-schedule', '0 0 * * *', '--no-backup-schedule'],
      '--backup-schedule and --no-backup-schedule exclude each other.',
    ],
  ])('of what cannot be meant, %j, is refused', async (options, fault) => {
    const { grove } = await signedInPerson(await createServerWorld(operations));
    const update = ['clusters', 'update', 'orders', ...options];
    expect(await grove(update)).toEqual({ code: 2, out: '', err: `grove: ${fault}\n` });
  });
});

test('an operation is cancelled, and run again', async () => {
  const { grove, json } = await withOrders(1);
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  operations.machines.interfere(async (call) => {
    if (!call.startsWith('restart')) return;
    begin();
    await held;
  });
  onTestFinished(() => operations.machines.interfere(() => Promise.resolve()));
  const { operation } = await json(['clusters', 'restart', 'orders']);
  await begun;
  expect(await grove(['operations', 'cancel', operation.id])).toEqual({
    ...{ code: 0, err: '' },
    out: `RESTART_CLUSTER of orders is CANCELLING.\nFollow it with: grove operations watch ${operation.id}\n`,
  });
  expect(await grove(['operations', 'retry', operation.id])).toMatchObject({
    ...{ code: 1, out: '' },
    err: expect.stringMatching(/^grove: Operation RESTART_CLUSTER of cluster "orders" cannot be retried: it is /),
  });
  release();
  await operations.ended(idOf('Operation', operation.id) ?? '');
  expect(await json(['operations', 'list'])).toMatchObject([{ id: operation.id, status: 'CANCELLED' }, {}]);
  const again = await grove(['operations', 'retry', operation.id, '--wait']);
  expect(again).toMatchObject({
    code: 0,
    err: '',
    out: expect.stringMatching(/^RESTART_CLUSTER of orders is QUEUED\.\n/),
  });
  expect(again.out).toMatch(/RESTART_CLUSTER of orders: SUCCEEDED\n$/);
  expect(await grove(['operations', 'cancel', operation.id, '--json'])).toMatchObject({
    ...{ code: 1, out: '' },
    err: expect.stringContaining('"code":"OPERATION_NOT_CANCELLABLE"'),
  });
});

test('the credentials of a cluster are printed, with a warning beside them, and leave an event', async () => {
  const { grove, json } = await withOrders(1);
  const { code, out, err } = await grove(['clusters', 'credentials', 'orders']);
  expect({ code, err }).toEqual({
    code: 0,
    err: expect.stringMatching(/^grove: This is the password of orders, in clear: .* project's log\.\n$/),
  });
  const credentials = await json(['clusters', 'credentials', 'orders']);
  expect(Object.keys(credentials)).toEqual(['username', 'password', 'database', 'uri']);
  expect(err).not.toContain(credentials.password);
  expect(out.split('\n')).toContain(`password  ${credentials.password}`);
  const { id } = await json(['clusters', 'get', 'orders']);
  const clusterId = idOf('Cluster', id) ?? '';
  expect(await operations.deps.db.event.count({ where: { clusterId, type: 'CREDENTIALS_REVEALED' } })).toBe(2);
  expect(await grove(['clusters', 'credentials', 'payments'])).toMatchObject({
    code: 1,
    err: 'grove: There is no cluster "payments" in this project. See grove clusters list.\n',
  });
});

describe('clusters rejoin', () => {
  test('lets an instance follow the primary again', async () => {
    const { grove, json } = await withOrders(2);
    const { instances } = await json(['clusters', 'get', 'orders']);
    const id = idOf('Instance', instances.nodes[1].id) ?? '';
    await operations.deps.db.instance.update({ where: { id }, data: { fencedAt: new Date() } });
    const { code, out } = await grove(['clusters', 'rejoin', 'orders', 'orders-2', '--wait']);
    expect({ code, last: out.trim().split('\n').at(-1) }).toEqual({
      code: 0,
      last: 'REJOIN_INSTANCE of orders: SUCCEEDED',
    });
    expect((await operations.deps.db.instance.findUniqueOrThrow({ where: { id } })).fencedAt).toBeNull();
  });

  test('takes one instance, which is not the primary', async () => {
    const { grove } = await withOrders(2);
    expect(await grove(['clusters', 'rejoin', 'orders', 'orders-1'])).toMatchObject({
      ...{ code: 1, out: '' },
      err: expect.stringContaining('it is the primary'),
    });
    expect(await grove(['clusters', 'rejoin', 'orders', 'orders-1', 'orders-2'])).toMatchObject({
      ...{ code: 2, out: '' },
      err: 'grove: "orders-2" is too much. See grove clusters rejoin --help.\n',
    });
    expect((await grove(['clusters', 'rejoin', '--help'])).out).toMatch(
      /^Usage: grove clusters rejoin CLUSTER INSTANCE \[options\]\n/,
    );
  });
});

describe('--plan', () => {
  const changes = [
    ['clusters', 'create', 'payments', '--engine', 'fake', '--instances', '2'],
    ['clusters', 'update', 'orders', '--no-allow'],
    ['clusters', 'add-instances', 'orders'],
    ['clusters', 'drop-instances', 'orders', 'orders-2'],
    ['clusters', 'restart', 'orders'],
    ['clusters', 'promote', 'orders'],
    ['clusters', 'delete', 'orders'],
    ['backups', 'create', 'orders'],
    ['backups', 'verify', 'nightly'],
    ['backups', 'restore', 'nightly', '--as', 'orders-again'],
    ['backups', 'delete', 'nightly'],
  ];

  test('of every change tells its steps, asks nothing and writes nothing', async () => {
    const { grove, json } = await withOrders(2);
    expect((await grove(['backups', 'create', 'orders', '--name', 'nightly', '--wait'])).code).toBe(0);
    const before = await storeDigest(operations.deps.db);
    for (const words of changes) {
      const { code, out, err } = await grove([...words, '--plan']);
      expect({ code, err }, words.join(' ')).toEqual({ code: 0, err: '' });
      expect(out, words.join(' ')).toMatch(/^[A-Z_]+ would be accepted\. Nothing was done\.\n[\s\S]*^STEP {5}\S/m);
      expect(await json([...words, '--plan'])).toMatchObject({ allowed: true, blockers: [] });
    }
    expect(await storeDigest(operations.deps.db)).toEqual(before);
    expect((await grove(['clusters', 'delete', 'orders', '--plan'])).out).toMatchInlineSnapshot(`
      "DELETE_CLUSTER would be accepted. Nothing was done.
      WARNING  The data of cluster "orders" goes with it: only a backup that was taken before brings it back. (DATA_LOSS)
      STEP     remove orders-1
      STEP     remove orders-2
      STEP     remove the network
      QUOTA    INSTANCES -2, where 2 of 1000 are used
      QUOTA    STORAGE_GIB -20, where 20 of 100000 are used
      "
    `);
    expect((await grove(['backups', 'delete', 'nightly', '--plan'])).out).toContain('(DATA_LOSS)');
  }, 60_000);

  test('of what would be refused says why, and exits with 1', async () => {
    const { grove } = await withOrders(2);
    const primary = await grove(['clusters', 'drop-instances', 'orders', 'orders-1', '--plan']);
    expect({ code: primary.code, err: primary.err }).toEqual({ code: 1, err: '' });
    expect(primary.out).toMatch(
      /^DROP_INSTANCES would be refused\. Nothing was done\.\nBLOCKED {2}Instance "orders-1" is the primary and cannot be dropped\. .* \(PRIMARY_NOT_DROPPABLE\)\n/,
    );
    expect(await grove(['clusters', 'rejoin', 'orders', 'orders-2', '--plan', '--json'])).toMatchObject({
      ...{ code: 1, err: '' },
      out: expect.stringContaining('"allowed":false'),
    });
    expect(await grove(['clusters', 'restart', 'orders', '--plan', '--wait'])).toMatchObject({
      code: 2,
      err: 'grove: With --plan nothing is done that could be waited for: leave --wait out.\n',
    });
  });
});
