import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serverUser } from '#lib/host/serverUser.ts';
import { createLogger } from '#lib/log/logger.ts';
import { embeddedPostgresBinaries } from '#lib/postgres/embeddedPostgresBinaries.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '#store/embeddedPostgres.ts';

/** Nothing in it needs to survive the machine. */
const defaults = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '300' };

/**
 * A PostgreSQL server with an empty database, for a tool or a test run. `stop` removes every trace of it. If it is killed it is
 * started again at the same place; `synchronous_commit: 'on'` then makes it remember every commit.
 */
export async function startTemporaryPostgres(more: Record<string, string> = {}): Promise<EmbeddedPostgres> {
  const directory = await mkdtemp(join(tmpdir(), 'grove-temporary-'));
  await chmod(directory, 0o711);
  const user = serverUser();
  const binDirectory = await embeddedPostgresBinaries({ serverUser: user, reachableCopyIn: directory });
  if (binDirectory === null) {
    throw new Error(`npm has no embedded PostgreSQL for ${process.platform} on ${process.arch}, or left it out.`);
  }
  const logger = createLogger({ level: 'warn', pretty: false });
  const settings = { ...defaults, ...more };
  const server = await startEmbeddedPostgres({ directory, binDirectory, serverUser: user, logger, settings });
  return {
    url: server.url,
    async stop() {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
