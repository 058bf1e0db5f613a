import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { replaceFile } from '#lib/files/replaceFile.ts';
import type { ServerUser } from '#lib/host/serverUser.ts';

export type DataDirectoryOptions = {
  /** Holds the data directory (`data`) and its superuser's password (`password`). */
  directory: string;
  binDirectory: string;
  serverUser: ServerUser | null;
};

export const superuser = 'grove';

const unfinishedPrefix = 'unfinished-';

/**
 * Makes the data directory if it is not there and returns its superuser's password. Whoever dies in the middle leaves a
 * directory under another name, which the next call clears away.
 */
export async function ensureDataDirectory(options: DataDirectoryOptions): Promise<{ password: string }> {
  const { directory } = options;
  // Others may pass, not look: the server's user needs to reach its data below.
  await mkdir(directory, { recursive: true, mode: 0o711 });
  const password = await ensurePassword(join(directory, 'password'));
  await clearUnfinished(directory);
  if (!existsSync(join(directory, 'data'))) await initialise(options, password);
  return { password };
}

async function ensurePassword(path: string): Promise<string> {
  if (existsSync(path)) return (await readFile(path, 'utf8')).trim();
  const password = randomBytes(24).toString('base64url');
  await replaceFile(path, `${password}\n`, { durable: true });
  return password;
}

async function clearUnfinished(directory: string): Promise<void> {
  const names = (await readdir(directory)).filter((name) => name.startsWith(unfinishedPrefix));
  for (const name of names) {
    // An initdb that outlived its Grove may still write there: it is cleared next time then.
    await rm(join(directory, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

async function initialise(
  { directory, binDirectory, serverUser }: DataDirectoryOptions,
  password: string,
): Promise<void> {
  const unfinished = await mkdtemp(join(directory, unfinishedPrefix));
  const passwordFile = join(unfinished, 'password');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (serverUser !== null) {
    for (const path of [unfinished, passwordFile]) await chown(path, serverUser.uid, serverUser.gid);
  }
  await promisify(execFile)(
    join(binDirectory, 'initdb'),
    [
      ...['--pgdata', join(unfinished, 'data'), '--username', superuser, '--pwfile', passwordFile],
      ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--locale', 'C', '--no-instructions'],
      ...['--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8'],
    ],
    { cwd: unfinished, env: { LC_ALL: 'C' }, ...serverUser },
  );
  await rename(join(unfinished, 'data'), join(directory, 'data'));
  await rm(unfinished, { recursive: true, force: true });
}
