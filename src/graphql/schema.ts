import type { GraphQLSchema } from 'graphql';
import { builder } from './builder.ts';
import './scalars.ts';
import './types/backupErrors.ts';
import './types/clusterBackups.ts';
import './types/clusterEndpoints.ts';
import './types/clusterErrors.ts';
import './types/clusterHealth.ts';
import './types/clusterInstances.ts';
import './types/clusterOperations.ts';
import './types/eventQueries.ts';
import './types/instanceErrors.ts';
import './types/node.ts';
import './types/operationErrors.ts';
import './types/promotionErrors.ts';
import './types/restorePreview.ts';
import './types/Viewer.ts';
import './types/Webhook.ts';
import './mutations/addInstances.ts';
import './mutations/backupCluster.ts';
import './mutations/cancelOperation.ts';
import './mutations/createApiKey.ts';
import './mutations/createCluster.ts';
import './mutations/createWebhook.ts';
import './mutations/deleteBackup.ts';
import './mutations/deleteCluster.ts';
import './mutations/deleteWebhook.ts';
import './mutations/dropInstances.ts';
import './mutations/promoteInstance.ts';
import './mutations/rejoinInstance.ts';
import './mutations/replayWebhook.ts';
import './mutations/restartCluster.ts';
import './mutations/restoreCluster.ts';
import './mutations/retryOperation.ts';
import './mutations/revealCredentials.ts';
import './mutations/revokeApiKey.ts';
import './mutations/rotateWebhookSecret.ts';
import './mutations/updateCluster.ts';
import './mutations/updateProject.ts';
import './mutations/updateWebhook.ts';
import './mutations/verifyBackup.ts';
import './subscriptions/cluster.ts';
import './subscriptions/events.ts';
import './subscriptions/operation.ts';

/** The whole API, with its types in alphabetical order. Needs nothing: what resolvers use comes with the context. */
export function buildSchema(): GraphQLSchema {
  return builder.toSchema();
}
