import type { Database } from '#store/database.ts';

type LeaseRequest = { name: string; holder: string; ttlMs: number };

/**
 * Takes or keeps a duty. True: it is the holder's until `ttlMs` from now on the store's clock; nobody else gets it before.
 * @param takeOver takes it whoever holds it: for the one process of a store, whose last holder is dead.
 */
export async function holdLease(
  db: Pick<Database, '$executeRaw'>,
  { name, holder, ttlMs }: LeaseRequest,
  { takeOver = false }: { takeOver?: boolean } = {},
): Promise<boolean> {
  const taken = await db.$executeRaw`
    INSERT INTO lease (name, holder, expires_at) VALUES (${name}, ${holder}, now() + ${ttlMs} * interval '1 millisecond')
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
    WHERE lease.holder = excluded.holder OR lease.expires_at < now() OR ${takeOver}`;
  return taken > 0;
}

/** Gives a duty up, so that the next process need not wait for its end. */
export async function releaseLease(
  db: Pick<Database, 'lease'>,
  { name, holder }: { name: string; holder: string },
): Promise<void> {
  await db.lease.deleteMany({ where: { name, holder } });
}
