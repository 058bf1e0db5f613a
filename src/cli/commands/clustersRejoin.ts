import { assertPresent } from '#lib/values/assertPresent.ts';
import { defineCommand } from '../command.ts';
import { findInstances } from '../findInstances.ts';
import { requestOperation, requestOptions } from '../requestOperation.ts';

export const clustersRejoin = defineCommand({
  words: 'clusters rejoin',
  argument: { name: 'CLUSTER', meaning: 'the name or the id of a cluster' },
  others: { name: 'INSTANCE', meaning: 'the name or the id of the instance; not the primary', once: true },
  summary:
    'Makes an instance follow the primary again: a former primary, or a replica that has lost its place or its data. What only it has is discarded.',
  options: requestOptions,
  async run(invocation) {
    const { argument, others, api } = invocation;
    const { cluster, instances } = await findInstances(await api(), argument, others);
    const { id: instanceId } = assertPresent(instances[0], 'instance');
    return await requestOperation(invocation, {
      mutation: 'rejoinInstance',
      input: { clusterId: cluster.id, instanceId },
    });
  },
});
