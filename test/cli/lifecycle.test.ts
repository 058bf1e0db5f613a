import { beforeAll, describe, expect, test } from 'vitest';
import { createServerWorld } from '../server/serverWorld.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { signedInPerson } from './person.ts';

let operations: TestOperations;
beforeAll(async () => {
  operations = await createTestOperations();
  return () => operations.close();
});

/** Somebody with a cluster of that many instances, on fake machines, and what the command line says of it. */
async function withOrders(instances = 3) {
  const { grove } = await signedInPerson(await createServerWorld(operations));
  const create = ['clusters', 'create', 'orders', '--engine', 'fake', '--instances', String(instances), '--wait'];
  expect(await grove(create)).toMatchObject({ code: 0, err: '' });
  const json = async (words: string[]) => JSON.parse((await grove([...words, '--json'])).out);
  const orders = async () => {
    const { status, primary, instances: found } = await json(['clusters', 'get', 'orders']);
    return { status, primary: primary?.name, instances: found.nodes.map(({ name }: { name: string }) => name) };
  };
  return { grove, json, orders };
}

/** The last line of a command that has waited for its operation. */
const lastLine = (out: string) => out.trim().split('\n').at(-1);

describe('the instances of a cluster', () => {
  test('are added, one or as many as are said, and dropped by name or id', async () => {
    const { grove, json, orders } = await withOrders(1);
    const one = await grove(['clusters', 'add-instances', 'orders', '--wait']);
    expect(one).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^orders is BUSY\.\n/) });
    expect(lastLine(one.out)).toBe('ADD_INSTANCES of orders: SUCCEEDED');
    expect((await grove(['clusters', 'add-instances', 'orders', '--count', '2', '--wait'])).code).toBe(0);
    expect((await orders()).instances).toEqual(['orders-1', 'orders-2', 'orders-3', 'orders-4']);
    const { instances } = await json(['clusters', 'get', 'orders']);
    const drop = ['clusters', 'drop-instances', 'orders', 'orders-2', instances.nodes[2].id];
    const dropped = await grove([...drop, '--yes', '--wait']);
    expect({ code: dropped.code, last: lastLine(dropped.out) }).toEqual({
      code: 0,
      last: 'DROP_INSTANCES of orders: SUCCEEDED',
    });
    expect((await orders()).instances).toEqual(['orders-1', 'orders-4']);
  });

  test('are not dropped where there is none of the name, or it is the primary', async () => {
    const { grove, orders } = await withOrders(2);
    expect(await grove(['clusters', 'drop-instances', 'orders', 'orders-2', 'orders-9'])).toEqual({
      code: 1,
      out: '',
      err: 'grove: There is no instance "orders-9" in cluster "orders": it has orders-1, orders-2.\n',
    });
    expect(await grove(['clusters', 'drop-instances', 'orders', 'orders-1', '--yes'])).toMatchObject({
      code: 1,
      err: 'grove: Instance "orders-1" is the primary and cannot be dropped. Promote another instance first.\n',
    });
    expect(await grove(['clusters', 'drop-instances', 'orders'])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^grove: INSTANCE is missing: .* See grove clusters drop-instances --help\.\n$/),
    });
    expect(await grove(['clusters', 'drop-instances', 'orders', 'orders-2'], 'orders\n')).toEqual({
      code: 2,
      out: '',
      err: 'grove: Add --yes to delete orders-2 of "orders" with their data.\n',
    });
    expect(await orders()).toMatchObject({ status: 'ACTIVE', instances: ['orders-1', 'orders-2'] });
  });

  test('are restarted one by one, or all at once', async () => {
    const { grove } = await withOrders(2);
    const restarted = async (...options: string[]) => {
      const before = operations.machines.calls.length;
      const { code, out } = await grove(['clusters', 'restart', 'orders', '--wait', ...options]);
      expect({ code, last: lastLine(out) }).toEqual({ code: 0, last: 'RESTART_CLUSTER of orders: SUCCEEDED' });
      return operations.machines.calls.slice(before).filter((call) => call.startsWith('restart'));
    };
    expect(await restarted()).toEqual(['restart orders-2', 'restart orders-1']);
    expect((await restarted('--all-at-once')).sort()).toEqual(['restart orders-1', 'restart orders-2']);
  });

  test('hand the primary over, to the one that is named or to any', async () => {
    const { grove, orders } = await withOrders(3);
    const promoted = await grove(['clusters', 'promote', 'orders', '--to', 'orders-3', '--wait']);
    expect({ code: promoted.code, last: lastLine(promoted.out) }).toEqual({
      code: 0,
      last: 'PROMOTE_INSTANCE of orders: SUCCEEDED',
    });
    expect((await orders()).primary).toBe('orders-3');
    expect((await grove(['clusters', 'promote', 'orders', '--wait'])).code).toBe(0);
    expect((await orders()).primary).not.toBe('orders-3');
    expect(await grove(['clusters', 'promote', 'orders', '--failover', '--accept-data-loss', '--json'])).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('"code":"PRIMARY_HEALTHY"'),
    });
  });
});

test('a request that is repeated with its idempotency key asks for nothing new', async () => {
  const { json, orders } = await withOrders(1);
  const add = ['clusters', 'add-instances', 'orders', '--idempotency-key', 'once'];
  const first = await json(add);
  expect((await json(add)).operation.id).toBe(first.operation.id);
  await expect.poll(async () => (await orders()).status).toBe('ACTIVE');
  expect((await orders()).instances).toHaveLength(2);
});

describe('backups', () => {
  test('are taken, listed, verified, restored and deleted', async () => {
    const { grove, json } = await withOrders(2);
    expect((await grove(['backups', 'list'])).out).toBe(
      'There are no backups. Take one with grove backups create CLUSTER.\n',
    );
    const taken = await grove(['backups', 'create', 'orders', '--name', 'nightly', '--wait']);
    expect(taken).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringMatching(/^Backup nightly of orders is PENDING\.\n/),
    });
    expect(lastLine(taken.out)).toBe('BACKUP_CLUSTER of orders: SUCCEEDED');
    expect((await grove(['backups', 'list', '--cluster', 'orders'])).out).toMatch(
      /^NAME +CLUSTER +STATUS .*\nnightly +orders +COMPLETED +2 +40 /,
    );
    const verified = await grove(['backups', 'verify', 'nightly', '--wait']);
    expect({ code: verified.code, last: lastLine(verified.out) }).toMatchObject({
      code: 0,
      last: expect.stringMatching(/^VERIFY_BACKUP of verify-\w+: SUCCEEDED$/),
    });
    const [backup] = await json(['backups', 'list']);
    expect(backup).toMatchObject({ name: 'nightly', lastVerifiedAt: expect.any(String) });

    expect(await grove(['backups', 'restore', 'nightly'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--as NAME'),
    });
    const restored = await grove(['backups', 'restore', backup.id, '--as', 'orders-again', '--wait']);
    expect(restored).toMatchObject({ code: 0, out: expect.stringMatching(/^orders-again is BUILDING\.\n/) });
    expect(await json(['clusters', 'get', 'orders-again'])).toMatchObject({ status: 'ACTIVE', instanceCount: 2 });

    expect(await grove(['backups', 'delete', 'nightly'])).toMatchObject({
      code: 2,
      err: 'grove: Add --yes to delete backup "nightly" of "orders".\n',
    });
    expect(await json(['backups', 'list'])).toHaveLength(1);
    expect((await grove(['backups', 'delete', 'nightly', '--yes', '--wait'])).code).toBe(0);
    expect(await json(['backups', 'list'])).toEqual([]);
    expect(await json(['backups', 'list', '--deleted'])).toMatchObject([{ id: backup.id, status: 'DELETED' }]);
  });

  test('of the same name are told apart by their cluster', async () => {
    const { grove, json } = await withOrders(1);
    await grove(['clusters', 'create', 'payments', '--engine', 'fake', '--wait']);
    for (const cluster of ['orders', 'payments']) {
      expect((await grove(['backups', 'create', cluster, '--name', 'nightly', '--wait'])).code).toBe(0);
    }
    expect(await grove(['backups', 'delete', 'nightly', '--yes'])).toEqual({
      code: 2,
      out: '',
      err: 'grove: Several backups are called "nightly" (of payments, orders): say which with --cluster, or by its id.\n',
    });
    const removed = await grove(['backups', 'delete', 'nightly', '--cluster', 'orders', '--yes', '--wait']);
    expect(removed).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^Backup nightly of orders is being deleted\.\n/),
    });
    expect(await json(['backups', 'list'])).toMatchObject([{ clusterName: 'payments' }]);
    expect(await grove(['backups', 'verify', 'weekly'])).toMatchObject({
      code: 1,
      err: 'grove: There is no backup "weekly" in this project. See grove backups list.\n',
    });
  });
});
