import { defineCommand } from '../command.ts';
import { confirmName } from '../confirmName.ts';
import { findInstances } from '../findInstances.ts';
import { requestOperation, requestOptions } from '../requestOperation.ts';

export const clustersDropInstances = defineCommand({
  words: 'clusters drop-instances',
  argument: { name: 'CLUSTER', meaning: 'the name or the id of a cluster' },
  others: { name: 'INSTANCE', meaning: 'the name or the id of an instance that is to go; never the primary' },
  summary:
    'Makes a cluster smaller: these instances leave it and are gone with their data. Asks for the name of the cluster first, unless --yes says not to.',
  options: { yes: { type: 'boolean', meaning: 'do not ask' }, ...requestOptions },
  async run(invocation) {
    const { argument, others, values, host, api } = invocation;
    const { cluster, instances } = await findInstances(await api(), argument, others);
    const names = instances.map(({ name }) => name).join(', ');
    const what = `${names} of "${cluster.name}" with their data`;
    if (!values.yes && !values.plan)
      await confirmName(host, { what, name: cluster.name, called: "the cluster's name" });
    // The version: what was asked about is what is deleted.
    const instanceIds = instances.map(({ id }) => id);
    const input = { clusterId: cluster.id, expectedVersion: cluster.version, instanceIds };
    return await requestOperation(invocation, { mutation: 'dropInstances', input });
  },
});
