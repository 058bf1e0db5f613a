import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { readControlFile } from '#engines/postgresql/instance/controlFile.ts';
import { parseTimelineHistory } from '#engines/postgresql/instance/timelineHistory.ts';
import { isBefore } from '#engines/postgresql/lsn.ts';
import { slotName } from '#engines/postgresql/slotName.ts';
import { processEnds } from '#lib/host/processes.ts';
import { runningPostmaster } from '#lib/postgres/postmaster.ts';
import {
  loopbackOnly,
  postgresqlInstance,
  secrets,
  type TestInstance,
  toolchain,
} from '../../support/postgresqlInstance.ts';
import { lostWrites, startRecordingWriter } from '../../support/recordingWriter.ts';

const login = { user: 'app', password: secrets.app, database: 'app' };
const admin = { user: 'grove_admin', password: secrets.grove_admin, database: 'postgres' };
const patience = { timeout: 20_000, interval: 20 };
const noSlots = { synchronousStandbys: [], withinBytes: null };

describe('a timeline history', () => {
  test('is read without its comments', () => {
    expect(
      parseTimelineHistory('1\t0/3000148\tno recovery target specified\n\n# note\n2\t1/A0\tbefore 2000-01-01\n'),
    ).toEqual([
      { timeline: 1, endLsn: '0/3000148' },
      { timeline: 2, endLsn: '1/A0' },
    ]);
  });
});

for (const version of ['18', '15']) {
  const found = toolchain.binDirectory(version) !== null;
  const hint = found ? '' : ` (skipped: apt-get install postgresql-${version})`;
  describe.skipIf(!found)(`the promotion of a PostgreSQL ${version} replica${hint}`, { timeout: 60_000 }, () => {
    test('hands the role over without the loss of a write, and the old primary follows without a copy; and back', async () => {
      const [first, second, third] = await group();
      const writer = await startRecordingWriter({ ...login, targets: [first.address, second.address] });
      for (const [from, to] of [
        [first, second],
        [second, first],
      ] as const) {
        await vi.waitFor(() => expect(writer.count()).toBeGreaterThan(20), patience);
        writer.resetGap();
        await to.run('prepareTakeover', { ...noSlots, slotNames: slotsOf(from, third), withinBytes: 2 ** 20 });
        await from.run('checkpoint', {});
        const demoted = await from.run('demote', { withinMs: 10_000 });
        expect(demoted).toMatchObject({ clean: true });
        expect(await from.side.observe()).toMatchObject({ serving: false, stopped: true });
        const { timeline } = await to.run('promote', { after: demoted.lsn, withinMs: 10_000 });
        expect(timeline).toBe(demoted.timeline + 1);
        expect(await to.run('promote', { after: demoted.lsn, withinMs: 10_000 })).toMatchObject({ timeline });
        const before = writer.count();
        for (const replica of [third, from])
          expect(await follow(replica, to)).toEqual({ attached: true, reason: null, divergedBytes: 0 });
        await vi.waitFor(() => expect(writer.count()).toBeGreaterThan(before + 20), patience);
        expect(await slots(from)).toEqual([]);
      }
      const { acknowledged, longestGapMs } = await writer.stop();
      expect(longestGapMs).toBeLessThan(3000);
      await first.run('writeProbe', { token: 'last' });
      for (const instance of [first, second, third]) {
        await instance.run('readProbe', { token: 'last' });
        expect(await lostWrites(instance.address, login, acknowledged)).toEqual([]);
      }
    });

    test('needs a replica that has what was acknowledged: the primary tells whether one of those it waits for has it', async () => {
      const [first, second, third] = await group();
      const names = [second.host.name, third.host.name];
      await first.run('setSynchronous', { synchronousStandbys: names });
      await third.side.stop();
      await first.query('CREATE TABLE acknowledged_by_second (id int)');
      expect(await first.run('awaitSynchronous', { withinMs: 5000 })).toEqual({ reached: true });
      await first.run('setSynchronous', { synchronousStandbys: names.slice(1) });
      expect(await first.run('awaitSynchronous', { withinMs: 200 })).toEqual({ reached: false });
      const back = third.succeed();
      await back.side.resume();
      expect(await first.run('awaitSynchronous', { withinMs: 20_000 })).toEqual({ reached: true });
      await first.run('setSynchronous', { synchronousStandbys: [] });
      expect(await first.run('awaitSynchronous', { withinMs: 0 })).toEqual({ reached: true });
    });

    test('says where an orderly stop ended, as pg_controldata does', async () => {
      const [first] = await group();
      const demoted = await first.run('demote', { withinMs: 10_000 });
      const program = `/usr/lib/postgresql/${version}/bin/pg_controldata`;
      expect(await readControlFile(join(first.host.directory, 'data'))).toMatchObject({ shutDown: true, timeline: 1 });
      if (!existsSync(program)) return;
      const text = execFileSync(program, [join(first.host.directory, 'data')], {
        encoding: 'utf8',
        env: { LC_ALL: 'C' },
      });
      expect(/Latest checkpoint location:\s+(\S+)/.exec(text)?.[1]).toBe(demoted.lsn);
    });

    test('does not happen where the last write is missing; the old primary takes writes again', async () => {
      const [first, second] = await group();
      await second.run('prepareTakeover', { ...noSlots, slotNames: slotsOf(first) });
      const demoted = await first.run('demote', { withinMs: 10_000 });
      const missing = { after: '7/0', withinMs: 100 };
      await expect(second.run('promote', missing)).rejects.toMatchObject({ code: 'NOT_PROMOTED', retryable: false });
      expect(demoted.clean).toBe(true);
      const next = first.succeed();
      await next.side.resume();
      expect(await next.side.observe()).toMatchObject({ stopped: true, serving: false });
      await next.run('start', {});
      await next.query('CREATE TABLE again (id int)');
      await second.run('abandonTakeover', {});
      expect(await slots(second)).toEqual([]);
      await vi.waitFor(async () => expect(await second.query('SELECT FROM again')).toEqual([]), patience);
    });

    test('of a lost primary: the others follow; the old one stays down behind its fence, and is made a replica again', async () => {
      const [first, second, third] = await group();
      await first.query('CREATE TABLE t (id int)');
      await killServer(first);
      await second.run('prepareTakeover', { ...noSlots, slotNames: slotsOf(first, third) });
      await second.run('promote', { after: null, withinMs: 1000 });
      expect(await follow(third, second)).toMatchObject({ attached: true });
      await second.query('INSERT INTO t VALUES (1)');
      await writeFile(join(first.host.directory, 'fenced'), '');
      const back = first.succeed();
      await back.side.resume();
      expect(await back.side.observe()).toMatchObject({ stopped: true, serving: false, role: 'PRIMARY' });
      await expect(back.run('start', {})).rejects.toMatchObject({ code: 'FENCED' });
      expect(await follow(back, second)).toMatchObject({ attached: true });
      expect(existsSync(join(first.host.directory, 'fenced'))).toBe(false);
      await vi.waitFor(async () => expect(await back.query('SELECT id FROM t')).toEqual([{ id: 1 }]), patience);
    });

    test('does not take what a replica that was killed too has replayed so far for all that it has', async () => {
      const [first, second] = await group();
      // It receives each commit at once, and does not replay it.
      await second.run('stop', {});
      const ownSettings = join(second.host.directory, 'data/postgresql.auto.conf');
      await appendFile(ownSettings, "recovery_min_apply_delay = '1h'\n");
      await second.run('start', {});
      const streams = { streamsFrom: `${first.address.host}:${first.address.port}` };
      await vi.waitFor(async () => expect(await second.run('position', {})).toMatchObject(streams), patience);
      await first.query('CREATE TABLE acknowledged (id int)');
      const written = await first.run('position', {});
      const hasAll = async (instance: TestInstance) => {
        const { lsn } = await instance.run('position', {});
        expect(lsn !== null && !isBefore(lsn, written.replayedLsn)).toBe(true);
      };
      await vi.waitFor(() => hasAll(second), patience);
      await killServer(first);
      await killServer(second);
      const back = second.succeed();
      await back.side.resume();
      await vi.waitFor(async () => expect(await back.side.observe()).toMatchObject({ serving: true }), patience);
      const { lsn, replayedLsn } = await back.run('position', {});
      expect({ lsn, behind: isBefore(replayedLsn, written.replayedLsn) }).toEqual({ lsn: null, behind: true });
      expect(await back.side.observe()).toMatchObject({ role: 'REPLICA', engine: { receivedLsn: null } });
      await back.query('ALTER SYSTEM RESET recovery_min_apply_delay', admin);
      await back.query('SELECT pg_reload_conf()', admin);
      await vi.waitFor(() => hasAll(back), patience);
      expect(await back.query('SELECT FROM acknowledged')).toEqual([]);
      // Restarted once more, still without a primary: it knows again what it has, once it has replayed it.
      await killServer(back);
      const again = back.succeed();
      await again.side.resume();
      await vi.waitFor(() => hasAll(again), patience);
    });

    test('leaves an old primary with writes of its own that is told apart, and rewound or copied anew', async () => {
      const [first, second, third] = await group();
      await third.side.stop();
      await second.run('stop', {});
      await first.query('CREATE TABLE only_here AS SELECT generate_series(1, 1000) AS id');
      await killServer(first);
      await second.run('start', {});
      await second.run('prepareTakeover', { ...noSlots, slotNames: slotsOf(first) });
      await second.run('promote', { after: null, withinMs: 1000 });
      const back = first.succeed();
      const followed = await follow(back, second);
      expect(followed).toMatchObject({ attached: false, reason: 'DIVERGED' });
      expect(followed.divergedBytes).toBeGreaterThan(1000);
      const { rewound, reason } = await back.run('rewind', await leaderOf(second, first));
      if (existsSync(`${toolchain.binDirectory(version)}/pg_rewind`))
        expect({ rewound, reason }).toEqual({ rewound: true, reason: null });
      else expect(rewound).toBe(false);
      if (!rewound) {
        const clone = {
          primary: second.address,
          slotName: slotName(first.host.name),
          access: loopbackOnly,
          promotions: [],
        };
        await back.run('clone', { ...clone, replace: true });
      }
      expect(await follow(back, second)).toMatchObject({ attached: true });
      await second.query('CREATE TABLE after_it (id int)');
      await vi.waitFor(async () => expect(await back.query('SELECT FROM after_it')).toEqual([]), patience);
      await expect(back.query('SELECT FROM only_here')).rejects.toThrow('does not exist');
    });

    test('is told apart from another one at the same place, which has the same timeline and history', async () => {
      const [first, second, third] = await group();
      await first.query('CREATE TABLE t (value text)');
      const demoted = await first.run('demote', { withinMs: 10_000 });
      const promote = async (instance: TestInstance) => {
        await instance.run('prepareTakeover', { ...noSlots, slotNames: slotsOf(first) });
        return await instance.run('promote', { after: demoted.lsn, withinMs: 10_000 });
      };
      const given = await promote(second);
      await second.query("INSERT INTO t VALUES ('second')");
      await killServer(second);
      expect(await promote(third)).toMatchObject({ timeline: given.timeline, forkLsn: given.forkLsn });
      await third.query("INSERT INTO t VALUES ('third_')");
      const back = second.succeed();
      expect(await follow(back, third)).toMatchObject({ attached: false, reason: 'OTHER_HISTORY' });
      const { promotions } = await leaderOf(third, second);
      const clone = { primary: third.address, slotName: slotName(second.host.name), access: loopbackOnly, promotions };
      await back.run('clone', { ...clone, replace: true });
      expect(await follow(back, third)).toMatchObject({ attached: true });
      expect(await follow(first, third)).toMatchObject({ attached: true });
      for (const replica of [back, first]) {
        await vi.waitFor(
          async () => expect(await replica.query('SELECT value FROM t')).toEqual([{ value: 'third_' }]),
          patience,
        );
      }
    });

    test('is given up for the old primary: whoever followed its successor is made anew', async () => {
      const [first, second, third] = await group();
      await second.run('prepareTakeover', { ...noSlots, slotNames: slotsOf(first, third) });
      const demoted = await first.run('demote', { withinMs: 10_000 });
      await second.run('promote', { after: demoted.lsn, withinMs: 10_000 });
      expect(await follow(third, second)).toMatchObject({ attached: true });
      await second.query('CREATE TABLE given_up (id int)');
      await second.side.stop();
      await first.run('start', {});
      await first.query('CREATE TABLE kept (id int)');
      for (const instance of [third, second.succeed()]) {
        expect(await follow(instance, first)).toMatchObject({ attached: false, reason: 'OTHER_HISTORY' });
        const { promotions } = await leaderOf(first, instance);
        const slot = slotName(instance.host.name);
        const clone = { primary: first.address, slotName: slot, access: loopbackOnly, promotions };
        await instance.run('clone', { ...clone, replace: true });
        expect(await follow(instance, first)).toMatchObject({ attached: true });
        await vi.waitFor(async () => expect(await instance.query('SELECT FROM kept')).toEqual([]), patience);
        await expect(instance.query('SELECT FROM given_up')).rejects.toThrow('does not exist');
      }
    });

    test('that is lost for good while the old primary is copied from it leaves that one as it was', async () => {
      const [first, second] = await group();
      await killServer(first);
      await second.run('prepareTakeover', { ...noSlots, slotNames: slotsOf(first) });
      await second.run('promote', { after: null, withinMs: 1000 });
      const { promotions } = await leaderOf(second, first);
      await writeFile(join(first.host.directory, 'fenced'), '');
      const back = first.succeed();
      await back.side.resume();
      const cut = new AbortController();
      const clone = { primary: second.address, slotName: slotName(first.host.name), access: loopbackOnly, promotions };
      const copying = back.run('clone', { ...clone, replace: true }, cut.signal);
      const ended = expect(copying).rejects.toThrow();
      await vi.waitFor(() => expect(back.progress.join()).toContain('copied'), patience);
      cut.abort(new Error('cut off'));
      await ended;
      expect(existsSync(join(first.host.directory, 'data.new'))).toBe(false);
      await killServer(second);
      await expect(back.run('clone', { ...clone, replace: true })).rejects.toMatchObject({ code: 'COPY_FAILED' });
      const next = back.succeed();
      await next.side.resume();
      expect(await next.side.observe()).toMatchObject({ serving: false, stopped: true, role: 'PRIMARY' });
      await rm(join(first.host.directory, 'fenced'));
      const unfenced = next.succeed();
      await unfenced.side.resume();
      expect(await unfenced.side.observe()).toMatchObject({ serving: false, stopped: true, role: 'PRIMARY' });
      await unfenced.run('start', {});
      await unfenced.query('CREATE TABLE kept (id int)');
    });

    test('whose follower cannot be copied anew leaves that one a replica that serves', async () => {
      const [first, second] = await group();
      await killServer(first);
      const clone = {
        primary: first.address,
        slotName: slotName(second.host.name),
        access: loopbackOnly,
        promotions: [],
      };
      await expect(second.run('clone', { ...clone, replace: true })).rejects.toMatchObject({ code: 'COPY_FAILED' });
      await vi.waitFor(
        async () => expect(await second.side.observe()).toMatchObject({ serving: true, role: 'REPLICA' }),
        patience,
      );
      const { upstream } = JSON.parse(await readFile(join(second.host.directory, 'state.json'), 'utf8'));
      expect(upstream).toMatchObject(first.address);
    });

    /** A primary and two replicas of it. */
    async function group(): Promise<[TestInstance, TestInstance, TestInstance]> {
      const first = await postgresqlInstance('orders-1', version);
      await first.run('initialize', { access: loopbackOnly });
      const replicas = ['orders-2', 'orders-3'].map(async (name) => {
        const replica = await postgresqlInstance(name, version);
        const slot = slotName(name);
        await first.run('ensureSlots', { slotNames: [slot] });
        await replica.run('clone', { primary: first.address, slotName: slot, access: loopbackOnly, promotions: [] });
        return replica;
      });
      const [second, third] = await Promise.all(replicas);
      if (!second || !third) throw new Error('Two replicas are needed.');
      onTestFinished(() => killServer(first));
      return [first, second, third];
    }
  });
}

const slotsOf = (...instances: TestInstance[]) => instances.map(({ host }) => slotName(host.name));

async function leaderOf(primary: TestInstance, replica: TestInstance) {
  const { promotions } = await primary.run('ensureSlots', { slotNames: slotsOf(replica) });
  const { history, timeline } = await primary.run('position', {});
  const place = { primary: primary.address, slotName: slotName(replica.host.name), access: loopbackOnly };
  return { ...place, history, timeline, promotions };
}

const follow = async (replica: TestInstance, primary: TestInstance) =>
  await replica.run('follow', await leaderOf(primary, replica));

async function slots(instance: TestInstance): Promise<string[]> {
  const rows = await instance.query<{ name: string }>('SELECT slot_name AS name FROM pg_replication_slots', admin);
  return rows.map(({ name }) => name);
}

/** kill -9 of the server, and no agent that would start it again. */
async function killServer({ host, side }: TestInstance): Promise<void> {
  side.detach();
  const postmaster = await runningPostmaster(join(host.directory, 'data'));
  if (postmaster === null) return;
  process.kill(postmaster.pid, 'SIGKILL');
  await processEnds(postmaster.pid, { timeoutMs: 10_000 });
}
