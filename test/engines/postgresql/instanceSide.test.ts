import { chmod, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { postgresObservation } from '#engines/postgresql/observation.ts';
import { slotName } from '#engines/postgresql/slotName.ts';
import { processIsRunning } from '#lib/host/processes.ts';
import { runningPostmaster } from '#lib/postgres/postmaster.ts';
import {
  loopbackOnly,
  postgresqlInstance,
  secrets,
  type TestInstance,
  toolchain,
} from '../../support/postgresqlInstance.ts';

const patience = { timeout: 15_000, interval: 20 };

for (const version of ['18', '15']) {
  const found = toolchain.binDirectory(version) !== null;
  const hint = found ? '' : ` (skipped: apt-get install postgresql-${version})`;
  describe.skipIf(!found)(`a PostgreSQL ${version} instance${hint}`, () => {
    test('is initialised once, however often it is told to', async () => {
      const primary = await initialized('orders-1');
      const first = await primary.run('initialize', { access: loopbackOnly });
      const second = await primary.run('initialize', { access: loopbackOnly });
      expect(second).toEqual(first);
      expect(await primary.query('SELECT current_user AS "user", current_database() AS database')).toEqual([
        { user: 'app', database: 'app' },
      ]);
      await primary.query('CREATE TABLE t (id int)');
      expect(await primary.side.observe()).toMatchObject({
        serving: true,
        reason: null,
        role: 'PRIMARY',
        stopped: false,
        replication: null,
        engine: { inRecovery: false, timeline: 1, replicas: [], slots: [], systemIdentifier: first.systemIdentifier },
      });
    });

    test('leaves no password in its log, its settings or its processes', async () => {
      const primary = await initialized('orders-1');
      await expect(primary.query('SELECT 1', { password: 'wrong' })).rejects.toThrow('password authentication failed');
      const files = ['server.log', 'conf/postgresql.conf', 'state.json', 'data/postmaster.opts'];
      const texts = await Promise.all(files.map((file) => readFile(join(primary.host.directory, file), 'utf8')));
      for (const secret of Object.values(secrets)) expect(texts.join('\n')).not.toContain(secret);
      expect(texts.join('\n')).not.toContain('SCRAM-SHA-256$');
      expect((await stat(join(primary.host.directory, 'secrets.json'))).mode & 0o777).toBe(0o600);
      await expect(stat(join(primary.host.directory, 'conf/initial-password'))).rejects.toThrow('ENOENT');
    });

    test('becomes a streaming replica while the primary is written to, and loses nothing', async () => {
      const primary = await initialized('orders-1');
      await primary.query('CREATE TABLE t AS SELECT i, repeat(md5(i::text), 4) AS v FROM generate_series(1, 100000) i');
      const writer = await write(primary);
      const replica = await replicaOf(primary, 'orders-2');
      const written = await writer.stop();
      expect(written).toBeGreaterThan(0);
      await primary.run('writeProbe', { token: 'after' });
      expect(await replica.run('readProbe', { token: 'after' })).toEqual({
        role: 'REPLICA',
        replicationState: 'streaming',
      });
      const sum = 'SELECT count(*)::int AS rows, sum(hashtext(v))::text AS hash FROM t';
      expect(await replica.query(sum)).toEqual(await primary.query(sum));
      expect(await replica.query('SELECT count(*)::int AS n FROM written')).toEqual([{ n: written }]);
      await expect(replica.query('CREATE TABLE no (id int)')).rejects.toThrow('read-only transaction');
      expect(await replica.side.observe()).toMatchObject({
        serving: true,
        role: 'REPLICA',
        replication: { upstream: `127.0.0.1:${primary.host.port}`, state: 'streaming' },
        engine: { inRecovery: true },
      });
      const { followerStates, engine } = await primary.side.observe();
      expect(followerStates).toEqual(['streaming']);
      expect(postgresObservation(engine)).toMatchObject({
        replicas: [{ applicationName: 'orders-2', state: 'streaming', syncState: 'async' }],
        slots: [{ name: slotName('orders-2'), active: true }],
      });
    });

    test('is cloned once: a repeated command finds the copy', async () => {
      const primary = await initialized('orders-1');
      const replica = await replicaOf(primary, 'orders-2');
      const again = { primary: primary.address, slotName: slotName('orders-2'), access: loopbackOnly, promotions: [] };
      expect(await replica.run('clone', again)).toEqual({ bytes: 0, files: 0 });
      await expect(primary.run('clone', again)).rejects.toMatchObject({ code: 'NOT_EMPTY' });
    });

    test('a copy that was cut off is thrown away and made again', async () => {
      const primary = await initialized('orders-1');
      await primary.query('CREATE TABLE t AS SELECT i, repeat(md5(i::text), 8) AS v FROM generate_series(1, 200000) i');
      await primary.run('ensureSlots', { slotNames: [slotName('orders-2')] });
      const replica = await postgresqlInstance('orders-2', version);
      const clone = { primary: primary.address, slotName: slotName('orders-2'), access: loopbackOnly, promotions: [] };
      const cut = new AbortController();
      const cloning = replica.run('clone', clone, cut.signal);
      await vi.waitFor(
        () => expect(replica.progress.some((message) => message.startsWith('copied'))).toBe(true),
        patience,
      );
      cut.abort(new Error('cut off'));
      await expect(cloning).rejects.toMatchObject({ code: 'COPY_FAILED', retryable: true });
      expect((await replica.run('clone', clone)).bytes).toBeGreaterThan(20_000_000);
      expect(await replica.query('SELECT count(*)::int AS n FROM t')).toEqual([{ n: 200_000 }]);
    });

    test('a copy whose agent ended before it was known to be durable is made again', async () => {
      const primary = await initialized('orders-1');
      await primary.run('ensureSlots', { slotNames: [slotName('orders-2')] });
      const replica = await postgresqlInstance('orders-2', version);
      const stateFile = join(replica.host.directory, 'state.json');
      const clone = { primary: primary.address, slotName: slotName('orders-2'), access: loopbackOnly, promotions: [] };
      const cloning = replica.run('clone', clone);
      await vi.waitFor(() => expect(replica.progress).toContain('starting the server'), patience);
      const asItWasCopied = await readFile(stateFile, 'utf8');
      expect(JSON.parse(asItWasCopied)).toMatchObject({ wanted: 'none', upstream: null });
      expect((await cloning).bytes).toBeGreaterThan(1_000_000);
      await writeFile(stateFile, asItWasCopied);
      const next = replica.succeed();
      await next.side.resume();
      expect((await next.run('clone', clone)).bytes).toBeGreaterThan(1_000_000);
      expect(await next.run('clone', clone)).toEqual({ bytes: 0, files: 0 });
    });

    test('lets in only those whom the access rules name', async () => {
      const primary = await initialized('orders-1');
      await expect(
        primary.query('SELECT 1', { user: 'grove_replicator', password: secrets.grove_replicator }),
      ).rejects.toThrow('pg_hba.conf rejects connection');
      const session = new Client({
        host: '127.0.0.1',
        port: primary.host.port,
        user: 'app',
        password: secrets.app,
        database: 'app',
      });
      session.on('error', () => {});
      await session.connect();
      const ended = new Promise<string>((resolve) => session.once('error', (error) => resolve(error.message)));
      const closed = { clients: ['10.0.0.0/8'], peers: loopbackOnly.peers };
      expect(await primary.run('applyAccess', { access: closed })).toEqual({ inForce: true, endedSessions: 1 });
      expect(await ended).toContain('terminating connection');
      await expect(primary.query('SELECT 1')).rejects.toThrow('no pg_hba.conf entry');
      await expect(primary.run('applyAccess', { access: { ...closed, clients: ['nonsense'] } })).rejects.toMatchObject({
        code: 'ACCESS_RULE_REFUSED',
      });
      await primary.run('applyAccess', { access: loopbackOnly });
      expect(await primary.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    });

    test('starts its server again when that is killed', async () => {
      const primary = await initialized('orders-1');
      let changes = 0;
      primary.side.onChange(() => {
        changes += 1;
      });
      const before = await postmasterOf(primary);
      process.kill(before, 'SIGKILL');
      await vi.waitFor(() => expect(processIsRunning(before)).toBe(false), patience);
      await vi.waitFor(async () => expect((await primary.side.observe()).serving).toBe(true), patience);
      expect(await postmasterOf(primary)).not.toBe(before);
      expect(changes).toBeGreaterThanOrEqual(2);
      expect(await primary.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    });

    test('is adopted by the next agent, which watches it too', async () => {
      const primary = await initialized('orders-1');
      const before = await postmasterOf(primary);
      const next = primary.succeed();
      await next.side.resume();
      await vi.waitFor(async () => expect((await next.side.observe()).serving).toBe(true), patience);
      expect(await postmasterOf(next)).toBe(before);
      process.kill(before, 'SIGKILL');
      await vi.waitFor(async () => expect(await postmasterOf(next)).not.toBe(before), patience);
      await vi.waitFor(async () => expect((await next.side.observe()).serving).toBe(true), patience);
    });

    test('stays stopped when it was stopped on purpose, and starts when told', async () => {
      const primary = await initialized('orders-1');
      await primary.run('stop', {});
      expect(await primary.side.observe()).toMatchObject({ serving: false, stopped: true, role: 'PRIMARY' });
      const next = primary.succeed();
      await next.side.resume();
      expect(await runningPostmaster(join(next.host.directory, 'data'))).toBeNull();
      await expect(next.run('writeProbe', { token: 't' })).rejects.toMatchObject({ code: 'STOPPED' });
      await next.run('start', {});
      const before = await postmasterOf(next);
      const restarted = await next.run('restart', {});
      expect(restarted.downMs).toBeGreaterThan(0);
      expect(await postmasterOf(next)).not.toBe(before);
      const { startedAt } = restarted;
      expect(await next.side.observe()).toMatchObject({ serving: true, stopped: false, startedAt });
      await next.run('stop', {});
      expect(await next.run('restart', {})).toMatchObject({ downMs: null });
      expect(await next.side.observe()).toMatchObject({ serving: true, stopped: false });
    });

    test('says why its server does not start', async () => {
      const primary = await initialized('orders-1');
      await primary.run('stop', {});
      const holder = await holdPort(primary.host.port);
      await expect(primary.run('start', {})).rejects.toMatchObject({
        code: 'SERVER_START_FAILED',
        message: expect.stringContaining('could not create any TCP/IP sockets'),
      });
      expect(await primary.side.observe()).toMatchObject({ serving: false, stopped: false });
      holder();
      await vi.waitFor(async () => expect((await primary.side.observe()).serving).toBe(true), patience);
    });

    test('tells of a faulty start without the place of its files', async () => {
      const primary = await initialized('orders-1');
      await primary.run('stop', {});
      await chmod(join(primary.host.directory, 'data'), 0o777);
      const failure: Error = await primary.run('start', {}).then(
        () => new Error('It started.'),
        (error) => error,
      );
      expect(failure.message).toContain('data directory "data" has invalid permissions');
      expect(failure.message).not.toContain(primary.host.directory);
      expect((await primary.side.observe()).reason).not.toContain(primary.host.directory);
    });

    test('says that its data directory is missing, and what to do about that, until it is back', async () => {
      const primary = await initialized('orders-1');
      const replica = await replicaOf(primary, 'orders-2');
      for (const [lost, wayOut] of [
        [replica, 'Let it be copied anew from its primary (rejoinInstance), or drop it and add another.'],
        [primary, 'If it is the primary, promote a replica (promoteInstance with FAILOVER'],
      ] as const) {
        const server = await postmasterOf(lost);
        const data = join(lost.host.directory, 'data');
        await rename(data, `${data}.away`);
        process.kill(server, 'SIGKILL');
        const reason = `The data directory of instance ${lost.host.name} is missing. ${wayOut}`;
        await vi.waitFor(async () => {
          const seen = await lost.side.observe();
          expect(seen).toMatchObject({ serving: false, stopped: false, role: null });
          expect(seen.reason).toContain(reason);
          expect(seen.reason).not.toContain(lost.host.directory);
        }, patience);
        for (const kind of ['start', 'restart'] as const) {
          const failure = { code: 'DATA_GONE', message: expect.stringContaining(reason) };
          await expect(lost.run(kind, {})).rejects.toMatchObject(failure);
        }
        await rename(`${data}.away`, data);
        await vi.waitFor(async () => expect((await lost.side.observe()).serving).toBe(true), patience);
      }
    }, 60_000);

    test('serves while its databases take long to measure', async () => {
      const primary = await initialized('orders-1');
      const admin = { user: 'grove_admin', password: secrets.grove_admin, database: 'postgres' };
      await primary.query(
        `SET allow_system_table_mods = on;
         ALTER FUNCTION pg_catalog.pg_database_size(oid) RENAME TO quick_database_size;
         CREATE FUNCTION pg_catalog.pg_database_size(oid) RETURNS bigint LANGUAGE sql VOLATILE
           AS 'SELECT pg_sleep(1.2); SELECT 7::bigint'`,
        admin,
      );
      const begin = performance.now();
      const first = await primary.side.observe();
      expect(first).toMatchObject({ serving: true, engine: { databaseSizeBytes: null } });
      expect(performance.now() - begin).toBeLessThan(1000);
      await vi.waitFor(async () => {
        const { serving, engine } = await primary.side.observe();
        expect(serving).toBe(true);
        expect(postgresObservation(engine)?.databaseSizeBytes).toBe(14);
      }, patience);
    });

    test('serves though one look at it got no answer', async () => {
      const primary = await initialized('orders-1');
      await primary.side.observe();
      const [session] = await primary.query<{ pid: number }>(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'grove-agent' AND query LIKE '%in_recovery%'",
        { user: 'grove_admin', password: secrets.grove_admin, database: 'postgres' },
      );
      const pid = session?.pid ?? Number.NaN;
      process.kill(pid, 'SIGSTOP');
      try {
        expect(await primary.side.observe()).toMatchObject({ serving: true, reason: null });
      } finally {
        process.kill(pid, 'SIGCONT');
      }
    });

    test('drops the slots of replicas that left', async () => {
      const primary = await initialized('orders-1');
      const replica = await replicaOf(primary, 'orders-2');
      const names = { slotNames: [slotName('orders-2')] };
      expect(await primary.run('ensureSlots', names)).toEqual({ created: [], promotions: [] });
      await replica.side.stop();
      expect(await primary.run('dropSlots', names)).toEqual({ dropped: names.slotNames });
      expect(await primary.run('dropSlots', names)).toEqual({ dropped: [] });
    });

    async function initialized(name: string): Promise<TestInstance> {
      const instance = await postgresqlInstance(name, version);
      await instance.run('initialize', { access: loopbackOnly });
      return instance;
    }

    async function replicaOf(primary: TestInstance, name: string): Promise<TestInstance> {
      const replica = await postgresqlInstance(name, version);
      const slot = slotName(name);
      await primary.run('ensureSlots', { slotNames: [slot] });
      await replica.run('clone', { primary: primary.address, slotName: slot, access: loopbackOnly, promotions: [] });
      return replica;
    }
  });
}

async function postmasterOf({ host }: TestInstance): Promise<number> {
  const postmaster = await runningPostmaster(join(host.directory, 'data'));
  if (postmaster === null) throw new Error(`No postmaster for ${host.name}`);
  return postmaster.pid;
}

/** Inserts rows one by one until it is stopped, and answers with how many were acknowledged. */
async function write({ address }: TestInstance): Promise<{ stop(): Promise<number> }> {
  const client = new Client({ ...address, user: 'app', password: secrets.app, database: 'app' });
  await client.connect();
  onTestFinished(() => client.end());
  await client.query('CREATE TABLE written (id bigserial)');
  let acknowledged = 0;
  let going = true;
  const done = (async () => {
    while (going) {
      await client.query('INSERT INTO written DEFAULT VALUES');
      acknowledged += 1;
    }
  })();
  return {
    async stop() {
      going = false;
      await done;
      return acknowledged;
    },
  };
}

async function holdPort(port: number): Promise<() => void> {
  const { createServer } = await import('node:net');
  const server = createServer().listen(port, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => void server.close());
  return () => server.close();
}
