import { defineCommand } from '../command.ts';
import { findCluster } from '../findCluster.ts';
import { requestOperation, requestOptions } from '../requestOperation.ts';

export const clustersRestart = defineCommand({
  words: 'clusters restart',
  argument: { name: 'CLUSTER', meaning: 'the name or the id of a cluster' },
  summary: 'Restarts the servers of a cluster one after the other, the primary last.',
  options: {
    'all-at-once': { type: 'boolean', meaning: 'all at the same time: sooner done, and nothing is served meanwhile' },
    force: { type: 'boolean', meaning: 'also while the cluster is DOWN' },
    ...requestOptions,
  },
  async run(invocation) {
    const { argument, values, api } = invocation;
    const { id: clusterId } = await findCluster<{ id: string }>(await api(), argument, 'id');
    const strategy = values['all-at-once'] ? 'ALL_AT_ONCE' : 'ROLLING';
    const input = { clusterId, strategy, force: values.force ?? false };
    return await requestOperation(invocation, { mutation: 'restartCluster', input });
  },
});
