import type { Api } from './api.ts';
import { CliError } from './cliError.ts';

/** Finds a cluster by its name or its id, with these fields. Throws a CliError if there is none. */
export async function findCluster<Cluster>(api: Api, nameOrId: string, fields: string): Promise<Cluster> {
  const document = `query ($name: String!, $id: ID!) {
    named: cluster(by: { name: $name }) { ${fields} }
    known: cluster(by: { id: $id }) { ${fields} }
  }`;
  const { named, known } = await api.query<Record<'named' | 'known', Cluster | null>>(document, {
    name: nameOrId,
    id: nameOrId,
  });
  const found = named ?? known;
  if (found) return found;
  throw new CliError(
    'refused',
    'NOT_FOUND',
    `There is no cluster "${nameOrId}" in this project. See grove clusters list.`,
  );
}
