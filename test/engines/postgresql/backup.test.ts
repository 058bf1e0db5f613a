import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import type { StorePlace } from '#backups/storeSettings.ts';
import { slotName } from '#engines/postgresql/slotName.ts';
import {
  loopbackOnly,
  postgresqlInstance,
  secrets,
  type TestInstance,
  toolchain,
} from '../../support/postgresqlInstance.ts';
import { lostWrites, startRecordingWriter } from '../../support/recordingWriter.ts';
import { temporaryDirectory } from '../../support/temporaryDirectory.ts';

const login = { user: 'app', password: secrets.app, database: 'app' };
const newSecrets = { grove_admin: 'new-admin', grove_replicator: 'new-replicator', app: 'new-app' };

for (const version of ['18', '15']) {
  const found = toolchain.binDirectory(version) !== null;
  const hint = found ? '' : ` (skipped: apt-get install postgresql-${version})`;
  describe.skipIf(!found)(`backups of PostgreSQL ${version}${hint}`, () => {
    test('of a primary and its replica under writes: each is restored alone, the one leads, the other follows', async () => {
      const store = await directory();
      const primary = await initialized('orders-1');
      await primary.query('CREATE TABLE t AS SELECT i, repeat(md5(i::text), 4) AS v FROM generate_series(1, 50000) i');
      const replica = await replicaOf(primary, 'orders-2');
      const writer = await startRecordingWriter({ ...login, targets: [primary.address] });
      await until(() => writer.count() > 20);
      const before = writer.count();
      const [one, two] = await Promise.all([
        primary.run('backUp', { store, key: 'c/b/one.tar.zst' }),
        replica.run('backUp', { store, key: 'c/b/two.tar.zst' }),
      ]);
      await until(() => writer.count() > before + 20);
      const { acknowledged } = await writer.stop();
      for (const part of [one, two]) {
        expect(part).toMatchObject({ sha256: expect.stringMatching(/^[0-9a-f]{64}$/), start: { timeline: 1 } });
        expect(part.dataBytes).toBeGreaterThan(10_000_000);
        expect(part.bytes).toBeLessThan(part.dataBytes);
      }
      expect((await stat(join(store.path, 'c/b/one.tar.zst'))).size).toBe(one.bytes);

      const leader = await postgresqlInstance('restored-1', version, newSecrets);
      const partOne = { key: 'c/b/one.tar.zst', bytes: one.bytes, sha256: one.sha256 };
      const partTwo = { key: 'c/b/two.tar.zst', bytes: two.bytes, sha256: two.sha256 };
      await leader.run('restore', { store, part: partOne });
      expect((await leader.side.observe()).serving).toBe(false);
      expect(await leader.run('lead', { store, part: partOne, access: loopbackOnly })).toEqual({ timeline: 2 });
      expect(await leader.run('lead', { store, part: partOne, access: loopbackOnly })).toEqual({ timeline: 2 });

      const slot = slotName('restored-2');
      await leader.run('ensureSlots', { slotNames: [slot] });
      const follower = await postgresqlInstance('restored-2', version, newSecrets);
      const following = {
        store,
        part: partTwo,
        primary: leader.address,
        slotName: slot,
        access: loopbackOnly,
        promotions: [],
      };
      await follower.run('restore', { store, part: partTwo });
      const { reason } = await follower.run('followPart', following);
      if (reason !== null) {
        expect(reason).toMatch(/forked off|removed/);
        await follower.run('clone', { primary: leader.address, slotName: slot, access: loopbackOnly, promotions: [] });
      }
      expect(await follower.run('followPart', following)).toEqual({ reason: null });
      await leader.run('writeProbe', { token: 'after' });
      expect(await follower.run('readProbe', { token: 'after' })).toMatchObject({ role: 'REPLICA' });

      const rows = 'SELECT count(*)::int AS n, sum(hashtext(v))::text AS hash FROM t';
      const expected = await primary.query(rows);
      const newLogin = { ...login, password: newSecrets.app };
      for (const restored of [leader, follower]) {
        expect(await restored.query(rows, newLogin)).toEqual(expected);
        const lost = await lostWrites(restored.address, newLogin, acknowledged.slice(0, before));
        expect(lost).toEqual([]);
        await expect(restored.query('SELECT 1', login)).rejects.toThrow('password authentication failed');
      }
      await expectNoWayBetween(primary, leader);
    });

    test('an idle replica follows from its own part', async () => {
      const store = await directory();
      const primary = await initialized('orders-1');
      const replica = await replicaOf(primary, 'orders-2');
      const one = await primary.run('backUp', { store, key: 'c/b/one' });
      const two = await replica.run('backUp', { store, key: 'c/b/two' });
      const leader = await postgresqlInstance('restored-1', version, newSecrets);
      const partOne = { key: 'c/b/one', bytes: one.bytes, sha256: one.sha256 };
      await leader.run('restore', { store, part: partOne });
      await leader.run('lead', { store, part: partOne, access: loopbackOnly });
      const slot = slotName('restored-2');
      await leader.run('ensureSlots', { slotNames: [slot] });
      const follower = await postgresqlInstance('restored-2', version, newSecrets);
      const partTwo = { key: 'c/b/two', bytes: two.bytes, sha256: two.sha256 };
      const following = {
        store,
        part: partTwo,
        primary: leader.address,
        slotName: slot,
        access: loopbackOnly,
        promotions: [],
      };
      expect(await follower.run('followPart', following)).toEqual({ reason: null });
      await leader.run('writeProbe', { token: 'after' });
      expect(await follower.run('readProbe', { token: 'after' })).toMatchObject({ replicationState: 'streaming' });
    });

    test('a smaller instance leads all the same; one that cannot follow with fewer connections says so', async () => {
      const store = await directory();
      const large = { cpuMillis: 1000, memoryMiB: 1024, storageGiB: 1 };
      const primary = await postgresqlInstance('orders-1', version);
      primary.host.size = large;
      await primary.run('initialize', { access: loopbackOnly });
      const { bytes, sha256 } = await primary.run('backUp', { store, key: 'c/b/one' });
      const part = { key: 'c/b/one', bytes, sha256 };
      const leader = await postgresqlInstance('restored-1', version, newSecrets);
      expect(await leader.run('lead', { store, part, access: loopbackOnly })).toEqual({ timeline: 2 });
      const slot = slotName('restored-2');
      await leader.run('ensureSlots', { slotNames: [slot] });
      const follower = await postgresqlInstance('restored-2', version, newSecrets);
      const following = { store, part, primary: leader.address, slotName: slot, access: loopbackOnly, promotions: [] };
      const { reason } = await follower.run('followPart', following);
      expect(reason).toContain('insufficient parameter settings');
      await follower.run('clone', { primary: leader.address, slotName: slot, access: loopbackOnly, promotions: [] });
      expect((await follower.side.observe()).role).toBe('REPLICA');
    });

    test('a damaged part, or one that is not there, leaves nothing behind', async () => {
      const store = await directory();
      const primary = await initialized('orders-1');
      const { bytes, sha256 } = await primary.run('backUp', { store, key: 'c/b/one' });
      const part = { key: 'c/b/one', bytes, sha256 };
      const file = await open(join(store.path, 'c/b/one'), 'r+');
      await file.write(Buffer.from('damage'), 0, 6, Math.floor(bytes / 2));
      await file.close();
      const empty = await postgresqlInstance('restored-1', version, newSecrets);
      await expect(empty.run('restore', { store, part })).rejects.toMatchObject({ code: 'BACKUP_PART_DAMAGED' });
      await expect(empty.run('restore', { store, part: { ...part, key: 'c/b/none' } })).rejects.toMatchObject({
        code: 'BACKUP_PART_MISSING',
      });
      expect((await readdir(empty.host.directory)).filter((name) => name.startsWith('data'))).toEqual([]);
      const file2 = await open(join(store.path, 'c/b/one'), 'r+');
      await file2.truncate(Math.floor(bytes / 3));
      await file2.close();
      await expect(empty.run('restore', { store, part })).rejects.toMatchObject({ code: 'BACKUP_PART_DAMAGED' });
    });

    test('a backup that is cut off leaves no file, and none is left where the store is full', async () => {
      const store = await directory();
      const primary = await initialized('orders-1');
      await primary.query('CREATE TABLE t AS SELECT i, repeat(md5(i::text), 8) AS v FROM generate_series(1, 200000) i');
      const cut = new AbortController();
      const running = primary.run('backUp', { store, key: 'c/b/one' }, cut.signal);
      await until(() => primary.progress.some((message) => message.startsWith('copied')));
      cut.abort(new Error('cut off'));
      await expect(running).rejects.toMatchObject({ code: 'BACKUP_FAILED', retryable: true });
      expect(await readdir(join(store.path, 'c/b'))).toEqual([]);
      const full: StorePlace = { kind: 'DIRECTORY', path: '/dev/full/backups' };
      await expect(primary.run('backUp', { store: full, key: 'c/b/one' })).rejects.toMatchObject({
        code: 'BACKUP_STORE',
      });
      const slots = () => primary.query('SELECT count(*)::int AS n FROM pg_replication_slots');
      // They go with the sessions that were cut off, which the server has to notice.
      await expect.poll(slots, { timeout: 10_000 }).toEqual([{ n: 0 }]);
      expect((await primary.run('backUp', { store, key: 'c/b/one' })).dataBytes).toBeGreaterThan(40_000_000);
    });

    test('a backup can be cut off at any time, and fails nothing but itself', async () => {
      const store = await directory();
      const primary = await initialized('orders-1');
      for (const afterMs of [0, 2, 5, 10, 20, 40, 80, 160, 320]) {
        const cut = new AbortController();
        const running = primary.run('backUp', { store, key: 'c/b/one' }, cut.signal);
        setTimeout(() => cut.abort(new Error('cut off')), afterMs);
        await running.catch((error: unknown) => expect(error).toBeInstanceOf(Error));
      }
      await primary.run('backUp', { store, key: 'c/b/one' });
      expect(await readdir(join(store.path, 'c/b'))).toEqual(['one']);
    });

    test('leaves no password in logs or on disk but in its own files', async () => {
      const store = await directory();
      const primary = await initialized('orders-1');
      const { bytes, sha256 } = await primary.run('backUp', { store, key: 'c/b/one' });
      const part = { key: 'c/b/one', bytes, sha256 };
      const leader = await postgresqlInstance('restored-1', version, newSecrets);
      await leader.run('lead', { store, part, access: loopbackOnly });
      const log = await readFile(join(leader.host.directory, 'server.log'), 'utf8');
      expect(log).not.toContain('SCRAM-SHA-256$');
      for (const secret of Object.values(newSecrets)) expect(log).not.toContain(secret);
    });

    async function initialized(name: string): Promise<TestInstance> {
      const instance = await postgresqlInstance(name, version);
      await instance.run('initialize', { access: loopbackOnly });
      return instance;
    }

    async function replicaOf(primary: TestInstance, name: string): Promise<TestInstance> {
      const replica = await postgresqlInstance(name, version);
      await primary.run('ensureSlots', { slotNames: [slotName(name)] });
      await replica.run('clone', {
        primary: primary.address,
        slotName: slotName(name),
        access: loopbackOnly,
        promotions: [],
      });
      return replica;
    }
  });
}

/** The system identifiers are the same: only the passwords keep the two from replicating. */
async function expectNoWayBetween(original: TestInstance, restored: TestInstance): Promise<void> {
  for (const [from, password] of [
    [original, newSecrets.grove_replicator],
    [restored, secrets.grove_replicator],
  ] as const) {
    const client = new Client({ ...from.address, user: 'grove_replicator', password, ...{ replication: 'true' } });
    client.on('error', () => {});
    await expect(client.connect()).rejects.toThrow('password authentication failed');
  }
}

async function directory(): Promise<Extract<StorePlace, { kind: 'DIRECTORY' }>> {
  return { kind: 'DIRECTORY', path: await temporaryDirectory() };
}

const until = (isReached: () => boolean): Promise<unknown> =>
  expect.poll(isReached, { timeout: 20_000, interval: 20 }).toBe(true);
