import type { Api } from './api.ts';

type Filter = { clusterId: string | null; includeDeleted?: boolean };
type Page<Backup> = {
  backups: { nodes: Backup[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } };
};

/** All the backups of the project that fit, the newest first, with these fields. */
export async function listBackups<Backup>(api: Api, filter: Filter, fields: string): Promise<Backup[]> {
  const document = `query ($after: String, $filter: BackupFilter!) {
    backups(first: 100, after: $after, filter: $filter) { nodes { ${fields} } pageInfo { hasNextPage endCursor } }
  }`;
  const found: Backup[] = [];
  for (let after: string | null = null; ; ) {
    const { backups }: Page<Backup> = await api.query<Page<Backup>>(document, { after, filter });
    found.push(...backups.nodes);
    if (!backups.pageInfo.hasNextPage) return found;
    after = backups.pageInfo.endCursor;
  }
}
