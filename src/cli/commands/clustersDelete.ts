import { defineCommand } from '../command.ts';
import { confirmName } from '../confirmName.ts';
import { findCluster } from '../findCluster.ts';
import { requestOperation, requestOptions } from '../requestOperation.ts';

type Cluster = { id: string; name: string; version: number };

export const clustersDelete = defineCommand({
  words: 'clusters delete',
  argument: { name: 'CLUSTER', meaning: 'the name or the id of a cluster' },
  summary: 'Removes a cluster and its data. Asks for its name first, unless --yes says not to.',
  options: { yes: { type: 'boolean', meaning: 'do not ask' }, ...requestOptions },
  async run(invocation) {
    const { argument, values, host, api } = invocation;
    const { id, name, version } = await findCluster<Cluster>(await api(), argument, 'id name version');
    if (!values.yes && !values.plan) await confirmName(host, { what: `"${name}" with all its data`, name });
    // The version: what was asked about is what is deleted.
    const input = { clusterId: id, expectedVersion: version };
    return await requestOperation(invocation, { mutation: 'deleteCluster', input });
  },
});
