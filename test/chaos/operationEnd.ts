import { setTimeout as pause } from 'node:timers/promises';
import { endsBefore } from '#lib/flow/endsBefore.ts';
import type { ApiClient } from '../support/apiClient.ts';
import { operationEnd } from '../support/clusterCalls.ts';

/** How an operation stands. `error`: why it failed. */
export type End = {
  status: string;
  waitingFor: string | null;
  error: { code: string; message: string; step: string | null; retryable: boolean } | null;
};

const askAgainMs = 200;
const hasEnded = ({ status }: End): boolean => ['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(status);

/** Follows an operation to its end through whatever befalls Grove; after `withinMs`, how it stands then. */
export async function endWithin(client: ApiClient, operationId: string, withinMs: number): Promise<End> {
  const deadline = AbortSignal.timeout(withinMs);
  for (;;) {
    // The stream ends early where Grove or its store is away.
    await endsBefore(deadline, operationEnd(client, operationId)).catch(() => undefined);
    const end = await readEnd(client, operationId).catch(asUnknown);
    if (hasEnded(end) || deadline.aborted) return end;
    await pause(askAgainMs);
  }
}

async function readEnd(client: ApiClient, id: string): Promise<End> {
  const query = /* GraphQL */ `query ($id: ID!) {
    node(id: $id) { ... on Operation { status waitingFor error { code message step retryable } } }
  }`;
  return (await client.data(query, { id })).node;
}

const asUnknown = (error: unknown): End => ({
  status: 'not to be asked',
  waitingFor: error instanceof Error ? error.message : String(error),
  error: null,
});
