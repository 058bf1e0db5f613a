import { defineCommand } from '../command.ts';
import { findInstances } from '../findInstances.ts';
import { requestOperation, requestOptions } from '../requestOperation.ts';

export const clustersPromote = defineCommand({
  words: 'clusters promote',
  argument: { name: 'CLUSTER', meaning: 'the name or the id of a cluster' },
  summary: 'Makes a replica the primary, without a loss; with --failover because the primary is lost.',
  options: {
    to: {
      type: 'string',
      value: 'INSTANCE',
      meaning: 'the replica: its name or its id. Default: the one that has most',
    },
    failover: { type: 'boolean', meaning: 'the primary is lost: it is fenced off and replaced' },
    'accept-data-loss': {
      type: 'boolean',
      meaning: 'with --failover: though acknowledged writes may be lost that another instance has, or may have',
    },
    ...requestOptions,
  },
  async run(invocation) {
    const { argument, values, api } = invocation;
    const wanted = values.to === undefined ? [] : [values.to];
    const { cluster, instances } = await findInstances(await api(), argument, wanted);
    const input = {
      clusterId: cluster.id,
      instanceId: instances[0]?.id ?? null,
      mode: values.failover ? 'FAILOVER' : 'PLANNED',
      acceptDataLoss: values['accept-data-loss'] ?? false,
    };
    return await requestOperation(invocation, { mutation: 'promoteInstance', input });
  },
});
