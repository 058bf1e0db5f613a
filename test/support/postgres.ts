import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';
import { createDatabase, type Database } from '#store/database.ts';
import { withClient } from '#store/withClient.ts';
import { templateDatabase } from './postgresServer.ts';

export type TestDatabase = {
  url: string;
  db: Database;
  /** Disconnects `db`, ends every other session and drops the database. */
  close(): Promise<void>;
};

/**
 * A migrated store of its own, cloned in some tens of milliseconds from a template on a real PostgreSQL server that all
 * tests of a run share:
 *
 *     const store = await createTestDatabase();
 *     onTestFinished(() => store.close());      // or afterAll
 *     await store.db.project.create({ data: { name: 'demo' } });
 *
 * A database that a test leaves behind goes with the server at the end of the run.
 */
export async function createTestDatabase({ poolSize = 10 }: { poolSize?: number } = {}): Promise<TestDatabase> {
  return open(`CREATE DATABASE "%" TEMPLATE ${templateDatabase}`, poolSize);
}

/** As createTestDatabase, but without any table. */
export async function createEmptyTestDatabase({ poolSize = 10 }: { poolSize?: number } = {}): Promise<TestDatabase> {
  return open('CREATE DATABASE "%"', poolSize);
}

async function open(createStatement: string, poolSize: number): Promise<TestDatabase> {
  const server = await serverUrl();
  const name = `test_${randomUUID()}`;
  await execute(server, createStatement.replace('%', name));
  const url = new URL(server);
  url.pathname = name;
  const db = createDatabase(url.href, { poolSize });
  return {
    url: url.href,
    db,
    async close() {
      await db.$disconnect();
      await execute(server, `DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
    },
  };
}

async function serverUrl(): Promise<string> {
  const response = await fetch(inject('postgresServer'));
  const answer = await response.text();
  if (!response.ok) throw new Error(`The tests' PostgreSQL server did not start: ${answer}`);
  return answer;
}

async function execute(url: string, statement: string): Promise<void> {
  await withClient({ connectionString: url }, (client) => client.query(statement));
}
