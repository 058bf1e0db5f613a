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

/**
 * A session that may end at any moment. The pool hands it over before its new holder listens for errors: a server that dies just
 * then would end the process. Whoever waits for an answer is told by the failure of that.
 */
class LosableClient extends Client {
  constructor(config?: string | ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}

/** Connects lazily; `$disconnect` closes the pool. */
export function createDatabase(url: string, { poolSize = 10 }: { poolSize?: number } = {}): Database {
  return new PrismaClient({
    adapter: new PrismaPg({ connectionString: url, max: poolSize, options: connectionOptions, Client: LosableClient }),
    log: [{ emit: 'event', level: 'query' }],
  });
}
