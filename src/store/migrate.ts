import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from 'pg';
import { StartupError } from '#lib/faults/startupError.ts';
import type { Logger } from '#lib/log/logger.ts';
import { withClient } from './withClient.ts';

export type MigrateOptions = {
  logger?: Logger;
  /** Where the migrations are. Grove's own unless a test says otherwise. */
  directory?: string;
};

type Migration = { name: string; sql: string; checksum: string };
type MigrationRow = { migration_name: string; checksum: string; finished_at: Date | null; logs: string | null };

/** Prisma's schema engine takes this advisory lock on PostgreSQL: the two never migrate one store at a time. */
const advisoryLock = 72707369;

/** As Prisma's schema engine makes it, so that `prisma migrate` can read the history. */
const createHistory = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id VARCHAR(36) PRIMARY KEY NOT NULL,
  checksum VARCHAR(64) NOT NULL,
  finished_at TIMESTAMPTZ,
  migration_name VARCHAR(255) NOT NULL,
  logs TEXT,
  rolled_back_at TIMESTAMPTZ,
  started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  applied_steps_count INTEGER NOT NULL DEFAULT 0
)`;

/** Grove's migrations, as they lie in the source tree. */
export const migrationsDirectory = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));

/**
 * Brings the store's tables to what this version of Grove expects and returns the names of the migrations that were missing.
 * Safe to call from several processes at once. Each migration is applied whole or not at all. Throws a StartupError where the
 * store's history and the migrations at hand do not fit.
 */
export async function migrate(url: string, options: MigrateOptions = {}): Promise<string[]> {
  const { logger, directory = migrationsDirectory } = options;
  const migrations = await readMigrations(directory);
  // The session's end releases the lock.
  return withClient({ connectionString: url }, async (client) => {
    await lock(client, logger);
    await client.query(createHistory);
    const pending = pendingMigrations(migrations, await readHistory(client));
    for (const migration of pending) {
      await apply(client, migration);
      logger?.info({ migration: migration.name }, 'migration applied');
    }
    return pending.map(({ name }) => name);
  });
}

async function readMigrations(directory: string): Promise<Migration[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(join(directory, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

async function lock(client: Client, logger: Logger | undefined): Promise<void> {
  const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [advisoryLock]);
  if (rows[0]?.taken) return;
  logger?.info('another process migrates the store: waiting for it');
  await client.query('SELECT pg_advisory_lock($1)', [advisoryLock]);
}

async function readHistory(client: Client): Promise<MigrationRow[]> {
  const { rows } = await client.query<MigrationRow>(
    `SELECT migration_name, checksum, finished_at, logs FROM _prisma_migrations
     WHERE rolled_back_at IS NULL ORDER BY started_at`,
  );
  return rows;
}

function pendingMigrations(migrations: Migration[], history: MigrationRow[]): Migration[] {
  const known = new Map(migrations.map((migration) => [migration.name, migration]));
  for (const { migration_name: name, checksum, finished_at: finishedAt, logs } of history) {
    if (finishedAt === null) {
      throw new StartupError(
        `Migration "${name}" of the store failed earlier${logs ? ` (${logs})` : ''}. Undo what it left behind, set rolled_back_at in its row of _prisma_migrations, and start again.`,
      );
    }
    const migration = known.get(name);
    if (migration === undefined) {
      throw new StartupError(
        `The store was migrated by a newer Grove: this one does not know its migration "${name}". Start that version, or restore a backup of the store from before.`,
      );
    }
    if (migration.checksum !== checksum) {
      throw new StartupError(
        `Migration "${name}" was edited after it was applied to the store. Restore its migration.sql, and put the change into a new migration.`,
      );
    }
  }
  const applied = new Set(history.map((row) => row.migration_name));
  return migrations.filter(({ name }) => !applied.has(name));
}

/** One transaction for the change and its record: whoever dies in between, they agree. */
async function apply(client: Client, { name, sql, checksum }: Migration): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query(sql);
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, clock_timestamp(), 1)`,
      [randomUUID(), checksum, name],
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    const reason = error instanceof Error ? error.message : String(error);
    throw new StartupError(`Migration "${name}" failed and was rolled back: ${reason}`, { cause: error });
  }
}
