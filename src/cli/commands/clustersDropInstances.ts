import { defineCommand } from '../command.ts';
import { findInstances } from '../findInstances.ts';
import { requestOperation, requestOptions } from '../requestOperation.ts';

export const clustersDropInstances = defineCommand({
  words: 'clusters drop-instances',
  argument: { name: 'CLUSTER', meaning: 'the name or the id of a cluster' },
  others: { name: 'INSTANCE', meaning: 'the name or the id of an instance that is to go; never the primary' },
  summary: 'Makes a cluster smaller: these instances leave it and are gone, ill or not.',
  options: requestOptions,
  async run(invocation) {
    const { argument, others, api } = invocation;
    const input = await findInstances(await api(), argument, others);
    return await requestOperation(invocation, { mutation: 'dropInstances', input });
  },
});
