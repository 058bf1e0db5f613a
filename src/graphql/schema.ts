import type { GraphQLSchema } from 'graphql';
import { builder } from './builder.ts';
import './scalars.ts';
import './types/clusterEndpoints.ts';
import './types/clusterHealth.ts';
import './types/clusterInstances.ts';
import './types/clusterOperations.ts';
import './types/eventQueries.ts';
import './types/node.ts';
import './types/Viewer.ts';
import './mutations/addInstances.ts';
import './mutations/cancelOperation.ts';
import './mutations/createApiKey.ts';
import './mutations/createCluster.ts';
import './mutations/deleteCluster.ts';
import './mutations/promoteInstance.ts';
import './mutations/rejoinInstance.ts';
import './mutations/dropInstances.ts';
import './mutations/restartCluster.ts';
import './mutations/retryOperation.ts';
import './mutations/revealCredentials.ts';
import './mutations/revokeApiKey.ts';
import './mutations/updateCluster.ts';
import './mutations/updateProject.ts';
import './subscriptions/cluster.ts';
import './subscriptions/events.ts';
import './subscriptions/operation.ts';

/** The whole API, with its types in alphabetical order. Needs nothing: what resolvers use comes with the context. */
export function buildSchema(): GraphQLSchema {
  return builder.toSchema();
}
