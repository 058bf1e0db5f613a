import { clusterChangeOptions, clusterChanges } from '../clusterChanges.ts';
import { defineCommand } from '../command.ts';
import { findCluster } from '../findCluster.ts';
import { requestOperation, requestOptions } from '../requestOperation.ts';

type Cluster = { id: string; network: { accessRules: { cidr: string; description: string | null }[] } | null };

export const clustersUpdate = defineCommand({
  words: 'clusters update',
  argument: { name: 'CLUSTER', meaning: 'the name or the id of a cluster' },
  summary:
    'Changes who may connect, what commits wait for, how a cluster is guarded, and when it is backed up. What is not named stays.',
  options: { ...clusterChangeOptions, ...requestOptions },
  async run(invocation) {
    const { argument, values, api } = invocation;
    const changes = clusterChanges(values);
    const fields = 'id network { accessRules { cidr description } }';
    const { id: clusterId, network } = await findCluster<Cluster>(await api(), argument, fields);
    const known = new Map(network?.accessRules.map(({ cidr, description }) => [cidr, description]));
    // A network that stays keeps what it is said to be.
    const accessRules = changes.networks?.map((cidr) => ({ cidr, description: known.get(cidr) ?? null }));
    const input = { clusterId, ...changes.rest, ...(accessRules === undefined ? {} : { accessRules }) };
    return await requestOperation(invocation, { mutation: 'updateCluster', input });
  },
});
