import type { Api } from './api.ts';
import { CliError } from './cliError.ts';
import { findCluster } from './findCluster.ts';
import { listBackups } from './listBackups.ts';

type Backup = { id: string; name: string; clusterName: string };

/** Finds a backup by its id or its name, which another cluster's backup may have too. Throws a CliError if it is not there. */
export async function findBackup(api: Api, nameOrId: string, cluster: string | undefined): Promise<Backup> {
  const { known } = await api.query<{ known: ({ __typename: string } & Backup) | null }>(
    'query ($id: ID!) { known: node(id: $id) { __typename ... on Backup { id name clusterName } } }',
    { id: nameOrId },
  );
  if (known?.__typename === 'Backup') return known;
  const clusterId = cluster === undefined ? null : (await findCluster<{ id: string }>(api, cluster, 'id')).id;
  const named = (await listBackups<Backup>(api, { clusterId }, 'id name clusterName')).filter(
    ({ name }) => name === nameOrId,
  );
  const [found, other] = named;
  if (found && !other) return found;
  if (!found) {
    throw new CliError(
      'refused',
      'NOT_FOUND',
      `There is no backup "${nameOrId}" in this project. See grove backups list.`,
    );
  }
  const clusters = named.map(({ clusterName }) => clusterName).join(', ');
  throw new CliError(
    'usage',
    'AMBIGUOUS',
    `Several backups are called "${nameOrId}" (of ${clusters}): say which with --cluster, or by its id.`,
  );
}
