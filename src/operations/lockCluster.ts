import type { Transaction } from '#store/database.ts';

/**
 * Holds the cluster's row until the transaction ends. Before anything of the cluster is locked: that is the order everywhere.
 * False: there is no such cluster (in the project, where one is given), and nothing is held.
 */
export async function lockCluster(
  tx: Transaction,
  clusterId: string,
  projectId: string | null = null,
): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM cluster
    WHERE id = ${clusterId}::uuid AND (${projectId}::uuid IS NULL OR project_id = ${projectId}::uuid)
    FOR NO KEY UPDATE`;
  return rows.length > 0;
}
