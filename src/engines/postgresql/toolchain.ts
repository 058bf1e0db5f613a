import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { ServerUser } from '#lib/host/serverUser.ts';
import { embeddedPostgresBinaries } from '#lib/postgres/embeddedPostgresBinaries.ts';
import type { EngineVersion } from '../engine.ts';

/** The major versions that this release knows, newest first. */
export const knownVersions = ['18', '17', '16', '15'] as const;

export type ToolchainOptions = {
  /** A directory of programs (or several, as in PATH) to look in first. Null: none is configured. */
  configuredDirectories: string | null;
  /** Where the system's programs are: PATH. */
  searchPath: string;
  /** The user that servers run as. Null: this process's own. */
  serverUser: ServerUser | null;
  /** A directory that this user can reach, for a copy of programs that it cannot reach where npm put them. */
  reachableCopyIn: string;
};

type Programs = { directory: string; release: string };

/** The PostgreSQL programs that were found on this host. */
export type PostgresqlToolchain = {
  /** Every version that this release knows, newest first. */
  versions(): EngineVersion[];
  /** The directory of `initdb` and `postgres` of a major version. Null: it was not found. */
  binDirectory(version: string): string | null;
};

/** Looks once for the programs of every known version: as configured, on PATH, where packages put them, and in npm's package. */
export async function findPostgresqlToolchain(options: ToolchainOptions): Promise<PostgresqlToolchain> {
  const found = await Promise.all((await directories(options)).map(inspect));
  const byVersion = new Map<string, Programs>();
  for (const programs of found) {
    const major = programs?.release.split('.')[0];
    if (programs && major !== undefined && !byVersion.has(major)) byVersion.set(major, programs);
  }
  return {
    versions: () => knownVersions.map((version) => describe(version, byVersion.get(version))),
    binDirectory: (version) => byVersion.get(version)?.directory ?? null,
  };
}

async function directories(options: ToolchainOptions): Promise<string[]> {
  const embedded = await embeddedPostgresBinaries(options);
  const candidates = [
    ...split(options.configuredDirectories ?? ''),
    ...split(options.searchPath),
    ...subdirectories('/usr/lib/postgresql').map((version) => join('/usr/lib/postgresql', version, 'bin')),
    ...knownVersions.flatMap((version) => [
      `/usr/pgsql-${version}/bin`,
      `/opt/homebrew/opt/postgresql@${version}/bin`,
      `/usr/local/opt/postgresql@${version}/bin`,
    ]),
    ...(embedded === null ? [] : [embedded]),
  ];
  return [...new Set(candidates)].filter(
    (directory) => existsSync(join(directory, 'postgres')) && existsSync(join(directory, 'initdb')),
  );
}

/** Null: it does not run here, e.g. because it was built for another machine. */
async function inspect(directory: string): Promise<Programs | null> {
  try {
    const { stdout } = await promisify(execFile)(join(directory, 'postgres'), ['--version']);
    const release = /^postgres \(PostgreSQL\) (\d+\.\d+)/.exec(stdout)?.[1];
    return release === undefined ? null : { directory, release };
  } catch {
    return null;
  }
}

function describe(version: string, programs: Programs | undefined): EngineVersion {
  if (programs) return { version, available: true, release: programs.release, unavailableReason: null };
  return {
    version,
    available: false,
    release: null,
    unavailableReason: `PostgreSQL ${version} was not found on this host. ${howToInstall(version)} Programs in an unusual place are found when GROVE_POSTGRESQL_BIN names their directory.`,
  };
}

function howToInstall(version: string): string {
  if (process.platform === 'darwin') return `Install it with "brew install postgresql@${version}".`;
  return `Install it with "apt-get install postgresql-${version}" (from apt.postgresql.org where the distribution lacks it), or the like.`;
}

function split(path: string): string[] {
  return path.split(delimiter).filter((directory) => directory !== '');
}

function subdirectories(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
