import { join } from 'node:path';
import { agentAssignmentFile } from '#agent/protocol.ts';
import { type InstanceRef, ProviderError } from '#providers/provider.ts';

const idPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** True if the name is that of a cluster's or an instance's directory. */
export const isId = (name: string): boolean => idPattern.test(name);

/** Where things lie below the data directory. Paths are made from ids only, never from names. */
export function createLayout(dataDirectory: string) {
  const clusters = join(dataDirectory, 'clusters');
  const clusterDirectory = (clusterId: string) => join(clusters, checkedId(clusterId));
  return {
    dataDirectory,
    hostsFile: join(dataDirectory, 'hosts'),
    networkClaims: join(dataDirectory, 'networks'),
    portClaims: join(dataDirectory, 'ports'),
    clusters,
    cluster: (clusterId: string) => ({
      directory: clusterDirectory(clusterId),
      networkFile: join(clusterDirectory(clusterId), 'network.json'),
      addressClaims: join(clusterDirectory(clusterId), 'addresses'),
    }),
    instance: ({ clusterId, instanceId }: InstanceRef) => {
      const directory = join(clusterDirectory(clusterId), checkedId(instanceId));
      return {
        directory,
        placeFile: join(directory, 'place.json'),
        assignmentFile: join(directory, agentAssignmentFile),
        pidFile: join(directory, 'agent.pid.json'),
        logFile: join(directory, 'agent.log'),
      };
    },
  };
}

export type Layout = ReturnType<typeof createLayout>;

function checkedId(id: string): string {
  if (!isId(id)) throw new ProviderError(`"${id}" is not an id.`, { retryable: false });
  return id;
}
