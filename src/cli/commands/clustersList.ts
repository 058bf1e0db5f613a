import type { Api } from '../api.ts';
import { defineCommand } from '../command.ts';
import { exitCodes } from '../exitCodes.ts';
import { table } from '../table.ts';

type Cluster = {
  id: string;
  name: string;
  status: string;
  health: { level: string };
  engine: { name: string };
  engineVersion: string;
  instanceCount: number;
  primary: { name: string } | null;
  createdAt: string;
};
type Page = { clusters: { nodes: Cluster[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } } };

const document = /* GraphQL */ `query ($after: String, $deleted: Boolean!) {
  clusters(first: 100, after: $after, filter: { includeDeleted: $deleted }) {
    nodes { id name status health { level } engine { name } engineVersion instanceCount primary { name } createdAt }
    pageInfo { hasNextPage endCursor }
  }
}`;

export const clustersList = defineCommand({
  words: 'clusters list',
  summary: 'Lists the clusters of the project.',
  options: { deleted: { type: 'boolean', meaning: 'the records of deleted ones too' } },
  async run({ values, api, say, tell }) {
    const clusters = await allClusters(await api(), values.deleted ?? false);
    tell(clusters);
    const rows = clusters.map((cluster) => [
      cluster.name,
      cluster.status,
      cluster.health.level,
      `${cluster.engine.name} ${cluster.engineVersion}`,
      cluster.instanceCount,
      cluster.primary?.name ?? null,
      cluster.createdAt,
    ]);
    const headings = ['NAME', 'STATUS', 'HEALTH', 'ENGINE', 'INSTANCES', 'PRIMARY', 'CREATED'];
    if (rows.length === 0) say('There are no clusters. Make one with grove clusters create NAME.');
    else for (const line of table(headings, rows)) say(line);
    return exitCodes.done;
  },
});

async function allClusters(api: Api, deleted: boolean): Promise<Cluster[]> {
  const found: Cluster[] = [];
  for (let after: string | null = null; ; ) {
    const { clusters }: Page = await api.query<Page>(document, { after, deleted });
    found.push(...clusters.nodes);
    if (!clusters.pageInfo.hasNextPage) return found;
    after = clusters.pageInfo.endCursor;
  }
}
