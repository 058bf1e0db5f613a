import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StartupError } from '#lib/faults/startupError.ts';
import { migrate, migrationsDirectory } from '#store/migrate.ts';
import { createEmptyTestDatabase, createTestDatabase } from '../support/postgres.ts';

async function emptyStore() {
  const store = await createEmptyTestDatabase();
  onTestFinished(() => store.close());
  return store;
}

/** A directory with these migrations. */
async function migrations(scripts: Record<string, string>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'grove-test-migrations-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  for (const [name, sql] of Object.entries(scripts)) {
    await mkdir(join(directory, name), { recursive: true });
    await writeFile(join(directory, name, 'migration.sql'), sql);
  }
  return directory;
}

const first = { '1_first': 'CREATE TABLE first (id int);' };
const second = { '2_second': 'CREATE TABLE second (id int);' };

describe('migrate', () => {
  test('makes the tables of an empty store, and has nothing to do the second time', async () => {
    const { url, db } = await emptyStore();
    const applied = await migrate(url);
    expect(applied.length).toBeGreaterThan(0);
    expect(await migrate(url)).toEqual([]);
    expect(await db.project.count()).toBe(0);
  });

  test('applies each migration once when many processes start together', async () => {
    const { url, db } = await emptyStore();
    const directory = await migrations({ ...first, ...second });
    const applied = await Promise.all(Array.from({ length: 8 }, () => migrate(url, { directory })));
    expect(applied.flat().sort()).toEqual(['1_first', '2_second']);
    const rows = await db.$queryRaw`SELECT migration_name, applied_steps_count, finished_at IS NOT NULL AS finished
      FROM _prisma_migrations ORDER BY started_at`;
    expect(rows).toEqual([
      { migration_name: '1_first', applied_steps_count: 1, finished: true },
      { migration_name: '2_second', applied_steps_count: 1, finished: true },
    ]);
  });

  test('applies only what is new to the store', async () => {
    const { url } = await emptyStore();
    await migrate(url, { directory: await migrations(first) });
    expect(await migrate(url, { directory: await migrations({ ...first, ...second }) })).toEqual(['2_second']);
  });

  test('refuses a migration that was edited after it was applied', async () => {
    const { url } = await emptyStore();
    await migrate(url, { directory: await migrations(first) });
    const edited = await migrations({ '1_first': 'CREATE TABLE first (id bigint);' });
    await expect(migrate(url, { directory: edited })).rejects.toThrow(
      new StartupError(
        'Migration "1_first" was edited after it was applied to the store. Restore its migration.sql, and put the change into a new migration.',
      ),
    );
  });

  test('refuses a store that a newer Grove has migrated', async () => {
    const { url } = await emptyStore();
    await migrate(url, { directory: await migrations({ ...first, ...second }) });
    await expect(migrate(url, { directory: await migrations(first) })).rejects.toThrow(
      'The store was migrated by a newer Grove: this one does not know its migration "2_second".',
    );
  });

  test('leaves nothing of a migration that fails, so that a mended one can be applied', async () => {
    const { url, db } = await emptyStore();
    const broken = await migrations({ ...first, '2_second': 'CREATE TABLE second (id int); SELECT 1 / 0;' });
    await expect(migrate(url, { directory: broken })).rejects.toThrow(
      new StartupError('Migration "2_second" failed and was rolled back: division by zero'),
    );
    expect(
      await db.$queryRaw`SELECT to_regclass('first') IS NOT NULL AS first, to_regclass('second') IS NOT NULL AS second`,
    ).toEqual([{ first: true, second: false }]);
    expect(await migrate(url, { directory: await migrations({ ...first, ...second }) })).toEqual(['2_second']);
  });

  test('refuses a store with a migration that Prisma began and did not finish', async () => {
    const { url, db } = await emptyStore();
    await migrate(url, { directory: await migrations(first) });
    await db.$executeRaw`INSERT INTO _prisma_migrations (id, checksum, migration_name, logs)
      VALUES ('2', 'x', '2_second', 'out of disk')`;
    await expect(migrate(url, { directory: await migrations({ ...first, ...second }) })).rejects.toThrow(
      'Migration "2_second" of the store failed earlier (out of disk).',
    );
  });

  test('the tests start from a template with every migration', async () => {
    const store = await createTestDatabase();
    onTestFinished(() => store.close());
    const copy = await mkdtemp(join(tmpdir(), 'grove-test-migrations-'));
    onTestFinished(() => rm(copy, { recursive: true }));
    await cp(migrationsDirectory, copy, { recursive: true });
    expect(await migrate(store.url, { directory: copy })).toEqual([]);
  });
});
