import type { Database } from '#store/database.ts';

/**
 * Every table of the store with how many rows it has and a checksum of what is in them, so that whatever is written shows. Of the
 * job queue, which keeps books of its own, only the number of jobs.
 */
export async function storeDigest(db: Database): Promise<Record<string, string>> {
  const tables = await db.$queryRaw<{ name: string }[]>`
    SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name`;
  const digest: Record<string, string> = {};
  for (const { name } of tables) {
    const [row] = await db.$queryRawUnsafe<{ digest: string }[]>(
      `SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') AS digest FROM "${name}" t`,
    );
    digest[name] = row?.digest ?? '';
  }
  const [jobs] = await db.$queryRaw<{ count: bigint }[]>`SELECT count(*) FROM pgboss.job`;
  return { ...digest, jobs: String(jobs?.count) };
}
