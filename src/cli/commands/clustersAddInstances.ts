import { defineCommand } from '../command.ts';
import { findCluster } from '../findCluster.ts';
import { requestOperation, requestOptions } from '../requestOperation.ts';
import { wholeNumber } from '../wholeNumber.ts';

export const clustersAddInstances = defineCommand({
  words: 'clusters add-instances',
  argument: { name: 'CLUSTER', meaning: 'the name or the id of a cluster' },
  summary: 'Makes a cluster larger: new instances join it with its data.',
  options: { count: { type: 'string', value: 'NUMBER', meaning: 'how many; default: 1' }, ...requestOptions },
  async run(invocation) {
    const { argument, values, api } = invocation;
    const count = wholeNumber('count', values.count) ?? 1;
    const { id: clusterId } = await findCluster<{ id: string }>(await api(), argument, 'id');
    return await requestOperation(invocation, { mutation: 'addInstances', input: { clusterId, count } });
  },
});
