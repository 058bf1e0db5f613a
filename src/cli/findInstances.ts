import type { Api } from './api.ts';
import { CliError } from './cliError.ts';
import { findCluster } from './findCluster.ts';

type Cluster = { id: string; name: string; instances: { nodes: { id: string; name: string }[] } };

/** Finds a cluster, and its instances of these names, each by its name or its id. Throws a CliError if one is not there. */
export async function findInstances(
  api: Api,
  cluster: string,
  namesOrIds: readonly string[],
): Promise<{ clusterId: string; instanceIds: string[] }> {
  const found = await findCluster<Cluster>(api, cluster, 'id name instances(first: 100) { nodes { id name } }');
  const instanceIds = namesOrIds.map((nameOrId) => idOf(found, nameOrId));
  return { clusterId: found.id, instanceIds };
}

function idOf({ name: cluster, instances: { nodes } }: Cluster, nameOrId: string): string {
  const instance = nodes.find(({ id, name }) => name === nameOrId || id === nameOrId);
  if (instance) return instance.id;
  const known = nodes.map(({ name }) => name).join(', ');
  throw new CliError(
    'refused',
    'NOT_FOUND',
    `There is no instance "${nameOrId}" in cluster "${cluster}": it has ${known}.`,
  );
}
