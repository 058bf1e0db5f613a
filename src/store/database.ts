import type { Socket } from 'node:net';
import { PrismaPg } from '@prisma/adapter-pg';
import { Client, type ClientConfig } from 'pg';
import { type Prisma, PrismaClient } from '#generated/prisma/client.ts';

/** The store's client. Only `accept`, `run`, the monitors and the fleet write through it. */
export type Database = PrismaClient;
/** The store inside a transaction. */
export type Transaction = Prisma.TransactionClient;

type ReadMethod = 'findUnique' | 'findUniqueOrThrow' | 'findFirst' | 'findMany' | 'count' | 'aggregate' | 'groupBy';
type Model = Uncapitalize<Prisma.ModelName>;
/** The store without its write methods: what resolvers hold. */
export type ReadDatabase = { readonly [M in Model]: Pick<PrismaClient[M], ReadMethod> };

/** Every connection is told its time zone: without it, instants shift by the server's own. */
export const connectionOptions = '-c TimeZone=UTC';

export type DatabaseOptions = {
  poolSize?: number;
  /**
   * A connection over which nothing was heard for so long, in milliseconds, is given up with what waits for it: its server is gone
   * without a word. More than any statement may wait for a lock: transactions hold theirs for up to 30 s.
   */
  silenceMs?: number;
};

/**
 * A session that may end at any moment. The pool hands it over before its new holder listens for errors: a server that dies just
 * then would end the process. Whoever waits for an answer is told by the failure of that.
 */
class LosableClient extends Client {
  constructor(config?: ClientConfig & { silenceMs?: number }) {
    super(config);
    this.on('error', () => undefined);
    // Not before: over TLS it has another stream by then. The pool keeps an idle one for less, and a transaction lasts for less.
    this.once('connect', () => {
      const stream = this.connection.stream as Socket;
      stream.setTimeout(config?.silenceMs ?? 0, () => stream.destroy());
    });
  }
}

/** Connects lazily; `$disconnect` closes the pool. */
export function createDatabase(url: string, { poolSize = 10, silenceMs = 40_000 }: DatabaseOptions = {}): Database {
  const config = {
    connectionString: url,
    max: poolSize,
    options: connectionOptions,
    connectionTimeoutMillis: silenceMs,
    silenceMs,
    Client: LosableClient,
  };
  return new PrismaClient({ adapter: new PrismaPg(config), log: [{ emit: 'event', level: 'query' }] });
}
