import { CliError } from '../cliError.ts';
import type { CliHost } from '../cliHost.ts';
import { defineCommand } from '../command.ts';
import { exitCodes } from '../exitCodes.ts';
import { findCluster } from '../findCluster.ts';
import { followOperation } from '../followOperation.ts';
import { prompt } from '../prompt.ts';

type Cluster = { id: string; name: string; version: number };
type Payload = { cluster: { id: string; name: string; status: string }; operation: { id: string } };

const document = /* GraphQL */ `mutation ($input: DeleteClusterInput!) {
  deleteCluster(input: $input) {
    ... on DeleteClusterPayload { cluster { id name status } operation { id status } }
    ... on Error { code message }
    ... on InvalidInputError { fields { path message } }
  }
}`;

export const clustersDelete = defineCommand({
  words: 'clusters delete',
  argument: { name: 'CLUSTER', meaning: 'the name or the id of a cluster' },
  summary: 'Removes a cluster and its data. Asks for its name first, unless --yes says not to.',
  options: {
    yes: { type: 'boolean', meaning: 'do not ask' },
    wait: { type: 'boolean', meaning: 'tell the steps until it has ended; exit with 1 if it failed' },
  },
  async run(invocation) {
    const { argument, values, host, api, say, tell } = invocation;
    const calls = await api();
    const cluster = await findCluster<Cluster>(calls, argument, 'id name version');
    if (!values.yes) await confirm(host, cluster.name);
    // The version: what was asked about is what is deleted.
    const input = { clusterId: cluster.id, expectedVersion: cluster.version };
    const { cluster: deleting, operation } = await calls.mutate<Payload>(document, { input });
    tell({ cluster: deleting, operation });
    say(`${deleting.name} is ${deleting.status}.`);
    if (values.wait) return await followOperation(invocation, operation.id);
    say(`Follow it with: grove operations watch ${operation.id}`);
    return exitCodes.done;
  },
});

async function confirm(host: CliHost, name: string): Promise<void> {
  if (!host.stdin.isTTY)
    throw new CliError('usage', 'CONFIRMATION', `Add --yes to delete "${name}" with all its data.`);
  const answer = await prompt(host, `This deletes all data of "${name}". Type its name to go on: `);
  if (answer !== name) throw new CliError('usage', 'CANCELLED', `That was not "${name}". Nothing was done.`);
}
