import type { Api } from './api.ts';
import { CliError } from './cliError.ts';
import { findCluster } from './findCluster.ts';

type Instance = { id: string; name: string };
type Cluster = { id: string; name: string; version: number; instances: { nodes: Instance[] } };

/** Finds a cluster, and its instances of these names, each by its name or its id. Throws a CliError if one is not there. */
export async function findInstances(
  api: Api,
  cluster: string,
  namesOrIds: readonly string[],
): Promise<{ cluster: Pick<Cluster, 'id' | 'name' | 'version'>; instances: Instance[] }> {
  const found = await findCluster<Cluster>(api, cluster, 'id name version instances(first: 100) { nodes { id name } }');
  return { cluster: found, instances: namesOrIds.map((nameOrId) => instanceOf(found, nameOrId)) };
}

function instanceOf({ name: cluster, instances: { nodes } }: Cluster, nameOrId: string): Instance {
  const instance = nodes.find(({ id, name }) => name === nameOrId || id === nameOrId);
  if (instance) return instance;
  const known = nodes.map(({ name }) => name).join(', ');
  throw new CliError(
    'refused',
    'NOT_FOUND',
    `There is no instance "${nameOrId}" in cluster "${cluster}": it has ${known}.`,
  );
}
