import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestProject } from 'vitest/node';
import type { EmbeddedPostgres } from '#store/embeddedPostgres.ts';
import { migrate } from '#store/migrate.ts';
import { withClient } from '#store/withClient.ts';
import { startTemporaryPostgres } from '../../tools/temporaryPostgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Answers with the URL of the test run's PostgreSQL server, and starts it when it is first asked. */
    postgresServer: string;
  }
}

export const templateDatabase = 'grove_template';

/**
 * One PostgreSQL server for a whole test run, with a migrated template database to clone. It lives in vitest's main process,
 * so that it is stopped however the tests end, and is started only if a test asks for it.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let starting: Promise<EmbeddedPostgres> | null = null;
  const door = createServer((_request, response) => {
    starting ??= start();
    starting.then(
      ({ url }) => response.end(url),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  }).listen(0, '127.0.0.1');
  await once(door, 'listening');
  project.provide('postgresServer', `http://127.0.0.1:${(door.address() as AddressInfo).port}`);
  return async () => {
    door.close();
    door.closeAllConnections();
    await (await starting)?.stop();
  };
}

async function start(): Promise<EmbeddedPostgres> {
  const server = await startTemporaryPostgres();
  await makeTemplate(server.url);
  return server;
}

async function makeTemplate(url: string): Promise<void> {
  await withClient({ connectionString: url }, (client) => client.query(`CREATE DATABASE ${templateDatabase}`));
  const template = new URL(url);
  template.pathname = templateDatabase;
  await migrate(template.href);
}
