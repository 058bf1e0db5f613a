import { fork, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { closedDirectory } from '#lib/host/serverUser.ts';
import { parseCidr } from '#providers/local/ipv4.ts';
import { type InstanceSpec, ProviderError } from '#providers/provider.ts';
import { describeProviderContract, instanceSpec } from '../contract.ts';
import { createLocalWorld, type LocalWorld, standIn } from './localWorld.ts';

const onLinux = process.platform === 'linux';

describeProviderContract('local', createLocalWorld);
describeProviderContract('local, with ports of one address', () => createLocalWorld({ platform: 'darwin' }));

let world: LocalWorld;
let clusterId: string;

beforeEach(async () => {
  world = await createLocalWorld();
  clusterId = randomUUID();
});
afterEach(() => world.close());

async function ensureServing(index = 1) {
  const spec = instanceSpec(clusterId, index);
  const place = await world.provider.ensureInstance(spec);
  await world.untilServing(spec);
  return { spec, place, directory: world.directoryOf(spec) };
}

const readPid = async (directory: string) =>
  JSON.parse(await readFile(join(directory, 'agent.pid.json'), 'utf8')).pid as number;

describe.runIf(onLinux)('addresses', () => {
  test('each instance has the lowest free address of its network, with the standard port', async () => {
    const { cidr, peers } = await world.provider.ensureNetwork(clusterId);
    const { base, size } = parseCidr(cidr);
    expect({ size, aligned: base % 16, peers }).toEqual({ size: 16, aligned: 0, peers: ['127.0.0.1/32', cidr] });
    const prefix = cidr.slice(0, cidr.lastIndexOf('.'));
    const first = (base % 256).toString();
    const { place, spec } = await ensureServing(1);
    expect(place).toMatchObject({ address: `${prefix}.${first}`, port: 5432 });
    const second = await ensureServing(2);
    expect(second.place.address).toBe(`${prefix}.${Number(first) + 1}`);
    await world.provider.destroyInstance(spec);
    expect((await ensureServing(3)).place.address).toBe(place.address);
  });

  test('a network is full after sixteen instances', async () => {
    const quiet = await createLocalWorld({
      dataDirectory: world.dataDirectory,
      agentCommand: () => ({ program: 'true', args: [] }),
    });
    const specs = Array.from({ length: 16 }, (_, index) => instanceSpec(clusterId, index));
    const places = await Promise.all(specs.map((spec) => quiet.provider.ensureInstance(spec)));
    expect(new Set(places.map(({ address }) => address)).size).toBe(16);
    await expect(quiet.provider.ensureInstance(instanceSpec(clusterId, 17))).rejects.toThrow(/no free address/);
  });

  test('clusters have different networks, and a pool without one says so', async () => {
    const small = await createLocalWorld({ networkPool: '127.99.0.0/26' });
    const networks = await Promise.all([1, 2, 3, 4].map(() => small.provider.ensureNetwork(randomUUID())));
    expect(networks.map(({ cidr }) => cidr).toSorted()).toEqual(
      ['127.99.0.0/28', '127.99.0.16/28', '127.99.0.32/28', '127.99.0.48/28'].toSorted(),
    );
    await expect(small.provider.ensureNetwork(clusterId)).rejects.toThrow(/127\.99\.0\.0\/26 has no free \/28/);
    await small.close();
  });

  test('a network that another Grove of this host listens in is not taken', async () => {
    const listener = createServer().listen(0, '127.99.1.3');
    await once(listener, 'listening');
    const small = await createLocalWorld({ networkPool: '127.99.1.0/27' });
    expect((await small.provider.ensureNetwork(clusterId)).cidr).toBe('127.99.1.16/28');
    listener.close();
    await small.close();
  });

  test('a standard port that a server on all addresses has taken is replaced by another, for ever', async () => {
    const listener = createServer().listen(0, '0.0.0.0');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    const spec = { ...instanceSpec(clusterId), standardPort: port };
    const place = await world.provider.ensureInstance(spec);
    expect(place.port).not.toBe(port);
    listener.close();
    await once(listener, 'close');
    expect(await world.provider.ensureInstance(spec)).toEqual(place);
  });
});

describe('names', () => {
  test('are in the hosts file as long as their instances are', async () => {
    const [first, second] = [await ensureServing(1), await ensureServing(2)];
    const line = ({ address, dnsName }: { address: string; dnsName: string }, short: string) =>
      `${address} ${dnsName} ${short}\n`;
    expect(await world.hosts()).toContain(line(first.place, 'orders-1'));
    expect(await world.hosts()).toContain(line(second.place, 'orders-2'));
    await writeFile(join(world.dataDirectory, 'hosts'), 'nonsense');
    await world.provider.destroyInstance(first.spec);
    expect((await world.hosts()).split('\n').slice(1)).toEqual([line(second.place, 'orders-2').trim(), '']);
    await world.provider.destroyNetwork(clusterId);
    expect((await world.hosts()).split('\n').slice(1)).toEqual(['']);
  });

  test('that are no DNS labels are refused before anything is made', async () => {
    const spec = { ...instanceSpec(clusterId), instanceName: 'a b\n127.0.0.1 evil' };
    await expect(world.provider.ensureInstance(spec)).rejects.toThrow(/cannot be part of a DNS name/);
    expect(await world.countProcesses(spec)).toBe(0);
  });
});

describe('files', () => {
  test('the assignment is for the agent alone, and follows a new token', async () => {
    const { spec, place, directory } = await ensureServing();
    const file = join(directory, 'agent.json');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
      instanceId: spec.instanceId,
      clusterId,
      name: 'orders-1',
      engine: 'postgresql',
      engineVersion: '18',
      address: place.address,
      port: place.port,
      size: spec.size,
      token: 'token-1',
      controlUrlFile: join(world.dataDirectory, 'control-url'),
      serverUser: null,
    });
    const pid = await readPid(directory);
    await world.provider.ensureInstance({ ...spec, agentToken: 'new' });
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ token: 'new' });
    expect(await readPid(directory)).toBe(pid);
  });

  test.runIf(process.getuid?.() === 0)(
    "a server's user can get to its instance, or the way that is closed is named",
    async () => {
      const serverUser = { uid: 65534, gid: 65534 };
      const open = await createLocalWorld({ dataDirectory: world.dataDirectory, serverUser });
      const spec = instanceSpec(clusterId);
      await open.provider.ensureInstance(spec);
      expect(await closedDirectory(open.directoryOf(spec), serverUser)).toBeNull();
      const parent = await mkdtemp(join(tmpdir(), 'grove-test-closed-'));
      const dataDirectory = await mkdtemp(join(parent, 'data-'));
      const closed = await createLocalWorld({ dataDirectory, serverUser });
      await expect(closed.provider.ensureNetwork(clusterId)).rejects.toThrow(
        `user 65534, who may not enter ${parent}.`,
      );
      await rm(parent, { recursive: true });
    },
  );

  test("an agent's log goes on, and is put aside when it is large", async () => {
    const { spec, directory } = await ensureServing();
    const log = join(directory, 'agent.log');
    await world.provider.stopInstance(spec);
    await truncate(log, 6 * 1024 * 1024);
    await world.provider.startInstance(spec);
    expect((await stat(`${log}.1`)).size).toBe(6 * 1024 * 1024);
    expect((await stat(log)).size).toBeLessThan(1024 * 1024);
  });
});

describe('processes', () => {
  test('an agent that does not listen is killed with its server', async () => {
    const stubborn = await createLocalWorld({
      dataDirectory: world.dataDirectory,
      agentCommand: (directory) => ({ program: process.execPath, args: [standIn, directory, 'stubborn'] }),
    });
    const spec = instanceSpec(clusterId);
    await stubborn.provider.ensureInstance(spec);
    await stubborn.untilServing(spec);
    await stubborn.provider.stopInstance(spec);
    expect(await world.countProcesses(spec)).toBe(0);
  });

  test('a server that outlived its agent is fenced', async () => {
    const { spec, directory } = await ensureServing();
    process.kill(await readPid(directory), 'SIGKILL');
    await expect.poll(() => world.provider.inspect(spec)).toBe('stopped');
    expect(await world.countProcesses(spec)).toBe(1);
    await world.provider.stopInstance(spec);
    expect(await world.countProcesses(spec)).toBe(0);
  });

  test.runIf(onLinux)(
    'a process that works in the directory is fenced even without a trace in its environment',
    async () => {
      const { spec, directory } = await ensureServing();
      const orphan = spawn('sleep', ['600'], { cwd: directory, env: {}, detached: true, stdio: 'ignore' });
      const ended = once(orphan, 'exit');
      await world.provider.stopInstance(spec);
      expect(await ended).toEqual([null, 'SIGQUIT']);
    },
  );

  test('a pid that another process got is not taken for the agent, nor killed', async () => {
    const { spec, directory } = await ensureServing();
    await world.provider.stopInstance(spec);
    const stranger = spawn('sleep', ['600'], { stdio: 'ignore' });
    await writeFile(
      join(directory, 'agent.pid.json'),
      JSON.stringify({ pid: stranger.pid, identity: 'of an earlier boot/1' }),
    );
    expect(await world.provider.inspect(spec)).toBe('stopped');
    await world.provider.startInstance(spec);
    expect(await readPid(directory)).not.toBe(stranger.pid);
    await world.provider.stopInstance(spec);
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    stranger.kill();
  });

  test('an agent whose start was not recorded any more is found again', async () => {
    const { spec, directory } = await ensureServing();
    const pid = await readPid(directory);
    await rm(join(directory, 'agent.pid.json'));
    expect(await world.provider.inspect(spec)).toBe('running');
    await world.provider.ensureInstance(spec);
    expect(await readPid(directory)).toBe(pid);
    expect(await world.countProcesses(spec)).toBe(2);
  });

  test('after a reboot, when no process lives, a start brings the agent back', async () => {
    const { spec, place } = await ensureServing();
    await world.provider.stopInstance(spec);
    const afterBoot = await createLocalWorld({ dataDirectory: world.dataDirectory });
    await afterBoot.provider.startInstance(spec);
    expect(await afterBoot.provider.inspect(spec)).toBe('running');
    expect(await afterBoot.provider.ensureInstance(spec)).toEqual(place);
  });

  test('a program that is not there is said to be so', async () => {
    const broken = await createLocalWorld({
      dataDirectory: world.dataDirectory,
      agentCommand: () => ({ program: '/nonexistent/grove', args: [] }),
    });
    await expect(broken.provider.ensureInstance(instanceSpec(clusterId))).rejects.toThrow(
      'The agent program grove cannot be started: spawn grove: no such file or directory (ENOENT).',
    );
  });
});

describe('a failure', () => {
  test('that the system caused names the thing and the code, not the place, and may be tried again', async () => {
    const spec = instanceSpec(clusterId);
    const directory = world.directoryOf(spec);
    await world.provider.ensureNetwork(clusterId);
    await writeFile(directory, 'in the way');
    const failure = await world.provider.ensureInstance(spec).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ProviderError);
    expect(failure).toMatchObject({ retryable: true, message: expect.stringMatching(/^Instance orders-1: .*EEXIST/) });
    expect((failure as Error).message).not.toContain(world.dataDirectory);
    await rm(directory);
  });

  test('that is a bug stays one', async () => {
    const faulty = await createLocalWorld({
      dataDirectory: world.dataDirectory,
      agentCommand: () => {
        throw new TypeError('of no use');
      },
    });
    await expect(faulty.provider.ensureInstance(instanceSpec(clusterId))).rejects.toThrow(TypeError);
  });
});

describe('two Groves on one host', () => {
  test('do not touch each other', async () => {
    const other = await createLocalWorld();
    const theirs = instanceSpec(randomUUID());
    await other.provider.ensureInstance(theirs);
    await other.untilServing(theirs);
    const { spec } = await ensureServing();
    await world.provider.destroyNetwork(clusterId);
    expect(await other.countProcesses(theirs)).toBe(2);
    expect(await world.provider.inspect(theirs)).toBe('absent');
    expect(await world.countProcesses(spec)).toBe(0);
    await other.close();
  });
});

/** What a kill at any line of ensureInstance can leave behind: the files up to there, in the order in which they are made. */
describe('a Grove that was killed between two lines', () => {
  const removable = [
    ['the record of the pid', 'agent.pid.json'],
    ['the assignment', 'agent.json'],
    ['the place', 'place.json'],
  ] as const;

  test.each(removable)('before %s: the next ensure puts it right', async (_what, file) => {
    const { spec, place, directory } = await ensureServing();
    const made = removable.slice(0, removable.findIndex(([, name]) => name === file) + 1);
    for (const [, name] of made) await rm(join(directory, name));
    await writeFile(join(directory, `${file}.new`), '{"unfini');
    if (file !== 'agent.pid.json') await world.provider.stopInstance(spec);
    expect(await world.provider.ensureInstance(spec)).toEqual(place);
    await world.untilServing(spec);
    expect(await world.provider.inspect(spec)).toBe('running');
    expect(await world.hosts()).toContain(place.dnsName);
  });

  test('before the record of the network: the claim is found again', async () => {
    const network = await world.provider.ensureNetwork(clusterId);
    await rm(join(world.dataDirectory, 'clusters', clusterId, 'network.json'));
    expect(await world.provider.ensureNetwork(clusterId)).toEqual(network);
    if (onLinux) expect(await world.claimsIn('networks')).toHaveLength(1);
  });

  test.runIf(onLinux)(
    'after a claim, before what it was made of is cleared away: the next ensure clears it',
    async () => {
      const { spec, place, directory } = await ensureServing();
      const claims = join(directory, '../addresses');
      await writeFile(join(claims, `${spec.instanceId}.new`), spec.instanceId);
      await rm(join(directory, 'place.json'));
      expect(await world.provider.ensureInstance(spec)).toEqual(place);
      expect(await readdir(claims)).toEqual([place.address]);
    },
  );

  test.each(['ensure', 'destroy'] as const)(
    'at any moment of %s: doing it again puts it right',
    { timeout: 60_000 },
    async (verb) => {
      const { spec } = await ensureServing();
      if (verb === 'ensure') await world.provider.destroyInstance(spec);
      for (const afterMs of [0, 2, 4, 8, 16, 32, 64]) {
        await killInTheMiddle(verb, spec, afterMs);
        await (verb === 'ensure' ? world.provider.ensureInstance(spec) : world.provider.destroyInstance(spec));
        const ensured = await world.provider.ensureInstance(spec);
        await world.untilServing(spec);
        expect(await world.countProcesses(spec)).toBe(2);
        expect((await world.hosts()).split('\n').slice(1)).toEqual([expect.stringContaining(ensured.dnsName), '']);
        expect(await readdir(join(world.dataDirectory, 'clusters', clusterId, 'addresses'))).toEqual([ensured.address]);
        if (verb === 'ensure') await world.provider.destroyInstance(spec);
      }
    },
  );

  async function killInTheMiddle(verb: 'ensure' | 'destroy', spec: InstanceSpec, afterMs: number): Promise<void> {
    const script = join(import.meta.dirname, 'doomedGrove.ts');
    const grove = fork(script, [verb, world.dataDirectory, JSON.stringify(spec)], { execArgv: [] });
    const ended = once(grove, 'exit');
    await once(grove, 'message');
    grove.send('go');
    await delay(afterMs);
    grove.kill('SIGKILL');
    await ended;
  }

  test('in the middle of a removal: the next destroy finishes it', async () => {
    const { spec, directory } = await ensureServing();
    await rm(join(directory, 'place.json'));
    await rm(join(directory, 'agent.json'));
    await world.provider.destroyInstance(spec);
    expect(existsSync(directory)).toBe(false);
    expect(await world.countProcesses(spec)).toBe(0);
    expect(await readdir(join(world.dataDirectory, 'clusters', clusterId, 'addresses')).catch(() => [])).toEqual([]);
  });
});
