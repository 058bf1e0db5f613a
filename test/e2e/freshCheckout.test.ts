import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, statSync } from 'node:fs';
import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { createdCluster, deletedCluster, readCluster, revealedCredentials } from '../support/clusterCalls.ts';
import { createGroveHome } from '../support/groveProcess.ts';
import { processesOf } from '../support/processTree.ts';

const repository = resolve(import.meta.dirname, '../..');

/** What `npm ci` makes besides node_modules. */
const madeByInstallation = ['src/generated', 'dist'];

type User = { name: string; uid: number; gid: number };

/** Grove as it is after `git clone` and `npm ci`. */
async function installedCheckout(owner: User | null): Promise<string> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'grove-checkout-')));
  await chmod(directory, 0o755);
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: repository,
    encoding: 'utf8',
  });
  const files = listed.split('\0').filter((name) => name !== '' && existsSync(join(repository, name)));
  for (const file of [...files, ...madeByInstallation]) {
    cpSync(join(repository, file), join(directory, file), { recursive: true });
  }
  // Before the packages are linked: a link shares its owner with the file itself.
  if (owner) execFileSync('chown', ['-R', `${owner.uid}:${owner.gid}`, directory]);
  await linkPackages(join(directory, 'node_modules'));
  return directory;
}

/** Hard links, so that no path leads out of the checkout; copies where it is on another file system. */
async function linkPackages(target: string): Promise<void> {
  const source = join(repository, 'node_modules');
  try {
    execFileSync('cp', ['-al', source, target], { stdio: 'ignore' });
  } catch {
    await rm(target, { recursive: true, force: true });
    execFileSync('cp', ['-a', source, target]);
  }
  await rm(join(target, '.cache'), { recursive: true, force: true });
}

/** Only root can become another. */
function otherUsers(): User[] {
  if (process.getuid?.() !== 0) return [];
  const entries = readFileSync('/etc/passwd', 'utf8').split('\n');
  const [name, , uid, gid] = entries.find((entry) => entry.startsWith('nobody:'))?.split(':') ?? [];
  return name === undefined ? [] : [{ name, uid: Number(uid), gid: Number(gid) }];
}

test.each([null, ...otherUsers()].map((user) => ({ who: user?.name ?? 'who runs the tests', user })))(
  'npm start in a fresh checkout, with no setting but the port, makes a cluster and leaves nothing running, as $who',
  async ({ user }) => {
    const checkout = await installedCheckout(user);
    const home = await createGroveHome({ checkout, ...(user ? { user } : {}) });
    onTestFinished(({ task }) => home.destroy(task));
    const grove = await home.start();
    expect(grove.output()).toContain('Grove is ready');
    expect(grove.output()).toContain(join(checkout, '.grove', 'admin.key'));
    if (user) expect(statSync(join('/proc', String(grove.pid))).uid).toBe(user.uid);

    const clusterId = await createdCluster(grove.client, { name: 'orders', instanceCount: 1 });
    expect(await readCluster(grove.client, clusterId)).toMatchObject({ status: 'ACTIVE' });
    const { uri } = await revealedCredentials(grove.client, clusterId);
    const client = new pg.Client(uri);
    await client.connect();
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await client.end();
    expect(await deletedCluster(grove.client, clusterId)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await grove.interrupt()).toMatchObject({ inOrder: true });
    expect(processesOf(checkout)).toEqual([]);
  },
  90_000,
);
