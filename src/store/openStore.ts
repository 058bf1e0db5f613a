import { join } from 'node:path';
import { StartupError } from '#lib/faults/startupError.ts';
import type { ServerUser } from '#lib/host/serverUser.ts';
import type { Logger } from '#lib/log/logger.ts';
import { checkDatabaseUrl } from './checkDatabaseUrl.ts';
import { createDatabase, type Database } from './database.ts';
import { startEmbeddedPostgres } from './embeddedPostgres.ts';
import { migrate } from './migrate.ts';

export type StoreOptions = {
  /** A PostgreSQL database of the operator's. Null: the server that comes with Grove. */
  databaseUrl: string | null;
  /** Grove's data directory: the server that comes with Grove keeps its data in `store` below it. */
  dataDirectory: string;
  /** The programs of the server that comes with Grove. Null: this platform has none. */
  binDirectory: string | null;
  serverUser: ServerUser | null;
  logger: Logger;
  poolSize?: number;
};

export type Store = {
  /** How to connect to it. Holds the password. */
  url: string;
  db: Database;
  /**
   * For looks that are taken again and again and wait for no lock: a connection that is silent is soon given up, and the next look
   * goes over another.
   */
  looks: Database;
  /** Disconnects, and stops the server if it came with Grove. */
  close(): Promise<void>;
};

/** It connects with its first look: a process that takes none holds no connection. */
const forLooks = { poolSize: 4, silenceMs: 5_000 };

/** Opens Grove's store, migrated and with an identity. Throws a StartupError where the operator must mend something. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const server = await reachServer(options);
  const { url } = server;
  const db = createDatabase(url, options.poolSize === undefined ? {} : { poolSize: options.poolSize });
  const looks = createDatabase(url, forLooks);
  const close = async () => {
    await Promise.all([db.$disconnect(), looks.$disconnect()]).finally(() => server.stop());
  };
  try {
    await migrate(url, { logger: options.logger });
    await db.storeIdentity.createMany({ data: [{}], skipDuplicates: true });
    return { url, db, looks, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function reachServer({ databaseUrl, dataDirectory, binDirectory, serverUser, logger }: StoreOptions) {
  if (databaseUrl !== null) {
    await checkDatabaseUrl(databaseUrl);
    return { url: databaseUrl, stop: async () => undefined };
  }
  if (binDirectory === null) {
    throw new StartupError(
      `Grove comes with no PostgreSQL for ${process.platform} on ${process.arch}, or npm left it out. Set DATABASE_URL to a PostgreSQL database.`,
    );
  }
  return startEmbeddedPostgres({ directory: join(dataDirectory, 'store'), binDirectory, serverUser, logger });
}
