import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { leanNode } from '#agent/leanProcess.ts';
import { type AgentAssignment, type AgentCommand, agentAssignmentFile } from '#agent/protocol.ts';
import type { PostgresqlCommands } from '#engines/postgresql/commands.ts';
import { freePort } from '#lib/host/freePort.ts';
import { processEnds, processIsRunning } from '#lib/host/processes.ts';
import { serverUser } from '#lib/host/serverUser.ts';
import { runningPostmaster } from '#lib/postgres/postmaster.ts';
import { type TestControlPlane, testControlPlane } from '../support/controlPlane.ts';
import { loopbackOnly, secrets, toolchain } from '../support/postgresqlInstance.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const patience = { timeout: 20_000, interval: 20 };
const available = toolchain.binDirectory('18') !== null;

describe.skipIf(!available)('the agent program', () => {
  test('signs in, reports, and does what it is told', async () => {
    const { control, agent } = await startedAgent();
    await vi.waitFor(() => expect(control.observations.length).toBeGreaterThan(0), patience);
    expect(control.hellos).toEqual([
      { instanceId: agent.instanceId, token: 'first-token', version: expect.any(String) },
    ]);
    expect(control.observations[0]).toMatchObject({
      serving: false,
      stopped: false,
      reason: 'There is no database yet.',
    });
    control.deliver(initialize('c1'));
    await vi.waitFor(() => expect(control.finished).toHaveLength(1), patience);
    expect(control.finished[0]).toEqual({
      commandId: 'c1',
      outcome: { ok: true, result: { systemIdentifier: expect.stringMatching(/^\d+$/) } },
    });
    expect(control.progress[0]).toEqual({ commandId: 'c1', message: 'making the data directory' });
    await vi.waitFor(
      () => expect(control.observations.at(-1)).toMatchObject({ serving: true, role: 'PRIMARY' }),
      patience,
    );
  });

  test('answers a command that is delivered again from its record, also as a new process', async () => {
    const { control, agent } = await startedAgent();
    control.deliver({ id: 'c1', kind: 'start', payload: {}, secrets: {} });
    await vi.waitFor(() => expect(control.finished).toHaveLength(1), patience);
    const first = control.finished[0];
    expect(first?.outcome).toMatchObject({ ok: false, error: { code: 'NOT_INITIALIZED', retryable: false } });
    control.deliver(initialize('c2'));
    await vi.waitFor(() => expect(control.finished).toHaveLength(2), patience);
    // Run again it would succeed now.
    control.deliver({ id: 'c1', kind: 'start', payload: {}, secrets: {} });
    await vi.waitFor(() => expect(control.finished).toHaveLength(3), patience);
    expect(control.finished[2]).toEqual(first);
    await agent.restart('SIGKILL');
    control.deliver({ id: 'c1', kind: 'start', payload: {}, secrets: {} });
    await vi.waitFor(() => expect(control.finished).toHaveLength(4), patience);
    expect(control.finished[3]).toEqual(first);
    control.deliver({ id: 'c3', kind: 'constructor', payload: {}, secrets: {} });
    await vi.waitFor(() => expect(control.finished).toHaveLength(5), patience);
    expect(control.finished[4]?.outcome).toMatchObject({ ok: false, error: { code: 'UNKNOWN_COMMAND' } });
  });

  test('repeats the end of a command until it is acknowledged, over reconnects', async () => {
    const { control } = await startedAgent();
    control.refuseFinishes(2, 'error');
    control.deliver({ id: 'c1', kind: 'start', payload: {}, secrets: {} });
    await vi.waitFor(() => expect(control.finished).toHaveLength(1), patience);
    control.refuseFinishes(2, 'cut');
    control.deliver({ id: 'c2', kind: 'start', payload: {}, secrets: {} });
    await vi.waitFor(() => expect(control.finished.at(-1)?.commandId).toBe('c2'), patience);
    expect(control.hellos.length).toBeGreaterThanOrEqual(3);
  });

  test('connects again whenever it is cut off, to where the control plane is then', async () => {
    const { control, agent } = await startedAgent();
    for (const [round, code] of [undefined, 1000, 1001, 1011].entries()) {
      control.cutOff(code);
      await vi.waitFor(() => expect(control.hellos).toHaveLength(round + 2), patience);
    }
    const moved = await testControlPlane();
    await agent.assign({ token: 'second-token' });
    await agent.pointTo(moved);
    control.cutOff(1001);
    await vi.waitFor(() => expect(moved.hellos).toHaveLength(1), patience);
    expect(moved.hellos[0]?.token).toBe('second-token');
  });

  test('tries the processes of the control plane by turns', async () => {
    const { control, agent } = await startedAgent();
    const other = await testControlPlane();
    await agent.pointTo({ url: `ws://127.0.0.1:${await freePort()}` }, control, other);
    const connections = () => [control.hellos.length, other.hellos.length];
    for (const expected of [
      [2, 0],
      [2, 1],
      [3, 1],
      [3, 2],
    ]) {
      control.cutOff();
      other.cutOff();
      await vi.waitFor(() => expect(connections()).toEqual(expected), patience);
    }
  });

  test('waits when its token is refused, and comes as soon as it has a new one', async () => {
    const { control, agent } = await startedAgent();
    control.requireToken('second-token');
    control.cutOff(1001);
    await vi.waitFor(() => expect(control.hellos).toHaveLength(2), patience);
    await vi.waitFor(async () => expect(await agent.log()).toContain('refused the token'), patience);
    await agent.assign({ token: 'second-token' });
    await vi.waitFor(() => expect(control.hellos).toHaveLength(3), patience);
    expect(control.hellos.map(({ token }) => token)).toEqual(['first-token', 'first-token', 'second-token']);
  });

  test('leaves its server running when it ends, and the next one adopts it', async () => {
    const { control, agent } = await startedAgent();
    control.deliver(initialize('c1'));
    await vi.waitFor(() => expect(control.finished).toHaveLength(1), patience);
    const server = await runningPostmaster(join(agent.directory, 'data'));
    expect(await agent.end('SIGTERM')).toBe(0);
    expect(server !== null && processIsRunning(server.pid)).toBe(true);
    control.observations.length = 0;
    await agent.start();
    await vi.waitFor(() => expect(control.observations.at(-1)).toMatchObject({ serving: true }), patience);
    expect(await runningPostmaster(join(agent.directory, 'data'))).toEqual(server);
  });

  test('starts its server without the control plane, and reports its fall at once', async () => {
    const { control, agent } = await startedAgent();
    control.deliver(initialize('c1'));
    await vi.waitFor(() => expect(control.finished).toHaveLength(1), patience);
    await agent.end('SIGKILL');
    const before = await runningPostmaster(join(agent.directory, 'data'));
    if (before === null) throw new Error('The server did not outlive its agent.');
    process.kill(before.pid, 'SIGKILL');
    await processEnds(before.pid, { timeoutMs: 5000 });
    await writeFile(agent.controlUrlFile, `ws://127.0.0.1:${await freePort()}`);
    await agent.start();
    await vi.waitFor(
      async () => expect((await runningPostmaster(join(agent.directory, 'data')))?.ready).toBe(true),
      patience,
    );
    await agent.pointTo(control);
    await vi.waitFor(() => expect(control.observations.at(-1)).toMatchObject({ serving: true }), patience);
    const after = await runningPostmaster(join(agent.directory, 'data'));
    if (after === null) throw new Error('The server is not running.');
    process.kill(after.pid, 'SIGKILL');
    await vi.waitFor(
      () => expect(control.observations.at(-1)).toMatchObject({ serving: false, role: 'PRIMARY' }),
      patience,
    );
    await vi.waitFor(() => expect(control.observations.at(-1)).toMatchObject({ serving: true }), patience);
  });

  test('stays small, and is ready soon', async () => {
    const { control, agent } = await startedAgent();
    control.deliver(initialize('c1'));
    await vi.waitFor(() => expect(control.finished).toHaveLength(1), patience);
    await agent.end('SIGTERM');
    const begin = performance.now();
    await agent.start();
    await vi.waitFor(() => expect(control.hellos).toHaveLength(2), { ...patience, interval: 5 });
    const readyMs = performance.now() - begin;
    control.observations.length = 0;
    await vi.waitFor(() => expect(control.observations.length).toBeGreaterThan(3), patience);
    expect(await agent.residentMiB()).toBeLessThan(70);
    // Of a machine that runs other tests at the same time.
    expect(readyMs).toBeLessThan(1500);
  });

  test('is one for each directory: a second one ends quietly', async () => {
    const { agent, control } = await startedAgent();
    expect(await agent.endOfAnother()).toBe(0);
    expect(control.hellos).toHaveLength(1);
  });
});

function initialize(id: string): AgentCommand {
  const payload: PostgresqlCommands['initialize']['input'] = { access: loopbackOnly };
  return { id, kind: 'initialize', payload, secrets };
}

/** An agent in a process of its own, as a provider starts it, connected to a control plane of the test. */
async function startedAgent() {
  const control = await testControlPlane();
  const agent = await testAgent(control);
  await agent.start();
  await vi.waitFor(() => expect(control.hellos).toHaveLength(1), patience);
  return { control, agent };
}

async function testAgent(control: TestControlPlane) {
  const directory = await temporaryDirectory();
  const controlUrlFile = join(directory, 'control-url');
  const instanceId = crypto.randomUUID();
  const assignment: AgentAssignment = {
    ...{ instanceId, clusterId: crypto.randomUUID(), name: 'orders-1', engine: 'postgresql', engineVersion: '18' },
    ...{ address: '127.0.0.1', port: await freePort(), size: { cpuMillis: 500, memoryMiB: 256, storageGiB: 1 } },
    ...{ token: 'first-token', controlUrlFile, serverUser: serverUser() },
  };
  const assign = async (change: Partial<AgentAssignment>) => {
    const path = join(directory, agentAssignmentFile);
    await writeFile(`${path}.new`, JSON.stringify({ ...assignment, ...change }), { mode: 0o600 });
    await rename(`${path}.new`, path);
  };
  const pointTo = (...planes: Pick<TestControlPlane, 'url'>[]) =>
    writeFile(controlUrlFile, planes.map(({ url }) => `${url}\n`).join(''));
  await assign({});
  await pointTo(control);
  let child: ChildProcess | null = null;
  const end = async (signal: NodeJS.Signals) => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    child.kill(signal);
    const [code] = (await once(child, 'exit')) as [number | null];
    return code;
  };
  const start = async () => {
    const log = await open(join(directory, 'agent.log'), 'a');
    child = spawnAgent(directory, log.fd);
    await once(child, 'spawn');
    await log.close();
  };
  onTestFinished(async () => {
    await end('SIGKILL');
    const server = await runningPostmaster(join(directory, 'data'));
    if (server === null) return;
    process.kill(server.pid, 'SIGQUIT');
    await processEnds(server.pid, { timeoutMs: 5000 });
  });
  return {
    ...{ directory, instanceId, controlUrlFile, assign, pointTo, start, end },
    log: () => readFile(join(directory, 'agent.log'), 'utf8'),
    async residentMiB() {
      const status = await readFile(`/proc/${child?.pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
    },
    async restart(signal: NodeJS.Signals) {
      await end(signal);
      await start();
    },
    async endOfAnother() {
      const [code] = (await once(spawnAgent(directory, 'inherit'), 'exit')) as [number | null];
      return code;
    },
  };
}

function spawnAgent(directory: string, log: number | 'inherit'): ChildProcess {
  const main = join(import.meta.dirname, '../../src/main.ts');
  const tools = join(tmpdir(), 'grove-test-programs');
  const { flags, env } = leanNode(join(import.meta.dirname, '../../node_modules/.cache/agent'));
  return spawn(process.execPath, [...flags, main, 'agent', '--directory', directory, '--tools', tools], {
    stdio: ['ignore', log, log],
    env: { ...env, PATH: process.env.PATH, GROVE_LOG_LEVEL: 'warn' },
  });
}
