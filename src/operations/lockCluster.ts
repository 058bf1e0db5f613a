import type { Transaction } from '#store/database.ts';

/** Holds the cluster's row until the transaction ends. False: there is no such cluster. */
export async function lockCluster(tx: Transaction, clusterId: string): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`SELECT 1 FROM cluster WHERE id = ${clusterId}::uuid FOR NO KEY UPDATE`;
  return rows.length > 0;
}
