import type { ApiClient, Shape } from './apiClient.ts';
import { operationEnd } from './clusterCalls.ts';

/** What tests of the whole product do with backups, through the public API. */

const fieldsOfError = '... on Error { __typename code message }';

export const backupQuery = /* GraphQL */ `
  query ($id: ID!) {
    node(id: $id) {
      ... on Backup {
        id name status statusReason clusterName instanceCount bytes scheduled startedAt finishedAt lastVerifiedAt
        parts { instanceName status bytes dataBytes sha256 startPosition endPosition timeline error fault }
      }
    }
  }`;

export async function requestBackup(client: ApiClient, input: Record<string, unknown>): Promise<Shape> {
  const { backupCluster } = await client.data(
    `mutation ($input: BackupClusterInput!) { backupCluster(input: $input) {
       ... on BackupClusterPayload { backup { id status } operation { id } } ${fieldsOfError} } }`,
    { input },
  );
  return backupCluster;
}

/** Takes a backup and waits for its end. */
export async function takenBackup(client: ApiClient, input: Record<string, unknown>): Promise<Shape> {
  const result = await requestBackup(client, input);
  if (!result.operation) throw new Error(`backupCluster answered ${JSON.stringify(result)}`);
  const operation = await operationEnd(client, result.operation.id);
  if (operation.status !== 'SUCCEEDED') throw new Error(`The backup ended with ${JSON.stringify(operation)}`);
  return await readBackup(client, result.backup.id);
}

export async function readBackup(client: ApiClient, id: string): Promise<Shape> {
  return (await client.data(backupQuery, { id })).node;
}

export async function requestRestore(client: ApiClient, input: Record<string, unknown>): Promise<Shape> {
  const { restoreCluster } = await client.data(
    `mutation ($input: RestoreClusterInput!) { restoreCluster(input: $input) {
       ... on RestoreClusterPayload { cluster { id } operation { id } }
       ... on RestoreSizeMismatchError { backupSize requestedSize }
       ... on IncompleteBackupError { missing } ${fieldsOfError} } }`,
    { input },
  );
  return restoreCluster;
}

export async function previewOf(client: ApiClient, backupId: string): Promise<Shape> {
  const { restorePreview } = await client.data(
    `query ($backupId: ID!) { restorePreview(backupId: $backupId) {
       restorable instanceCount engineVersion bytes dataBytes blockers { code message } } }`,
    { backupId },
  );
  return restorePreview;
}

/** Asks for a change of a backup ("deleteBackup", "verifyBackup"); answers with its cluster and operation, or why it was refused. */
export async function requestBackupChange(client: ApiClient, mutation: string, backupId: string): Promise<Shape> {
  const payload = `${mutation.slice(0, 1).toUpperCase()}${mutation.slice(1)}Payload`;
  const { result } = await client.data(
    `mutation ($backupId: ID!) { result: ${mutation}(input: { backupId: $backupId }) {
       ... on ${payload} { operation { id cluster { id } } } ${fieldsOfError} } }`,
    { backupId },
  );
  return result;
}

/** As requestBackupChange; answers with its operation's end, or why it was refused. */
export async function changedBackup(client: ApiClient, mutation: string, backupId: string): Promise<Shape> {
  const result = await requestBackupChange(client, mutation, backupId);
  return result.operation ? await operationEnd(client, result.operation.id) : result;
}
