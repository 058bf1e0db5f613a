import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { migrate, migrationsDirectory } from '#store/migrate.ts';
import { schemaDifference, schemaPath } from './schemaDifference.ts';
import { startTemporaryPostgres } from './temporaryPostgres.ts';

const usage = `Usage: npm run migration -- NAME    write the migration from the present migrations to ${schemaPath}
       npm run migration -- --check  fail if the migrations do not give ${schemaPath}`;

const [name, ...rest] = process.argv.slice(2);
if (name === undefined || rest.length > 0 || !/^(--check|[a-z][a-z0-9_]*)$/.test(name)) {
  console.error(`${usage}\nA NAME is made of small letters, digits and underscores.`);
  process.exit(2);
}

const server = await startTemporaryPostgres();
const script = await migrate(server.url)
  .then(() => schemaDifference(server.url))
  .finally(() => server.stop());
if (script === null) {
  if (name !== '--check') console.log('no schema change');
} else if (name === '--check') {
  console.error(
    `The migrations do not give ${schemaPath}. Run: npm run migration -- NAME\nWhat is missing:\n${script}`,
  );
  process.exitCode = 1;
} else {
  console.log(`created ${relative(process.cwd(), await writeMigration(name, script))}`);
}

async function writeMigration(migrationName: string, script: string): Promise<string> {
  const stamp = new Date().toISOString().replaceAll(/[-T:]/g, '').slice(0, 14);
  const directory = join(migrationsDirectory, `${stamp}_${migrationName}`);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'migration.sql'), script);
  const lock = join(migrationsDirectory, 'migration_lock.toml');
  // Prisma refuses a directory of migrations without it.
  if (!existsSync(lock)) await writeFile(lock, 'provider = "postgresql"\n');
  return join(directory, 'migration.sql');
}
