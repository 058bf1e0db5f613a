import type { GraphiQLProps } from 'graphiql';
import { getOperationAST } from 'graphql';
import { type Client, createClient, type SubscribePayload } from 'graphql-ws';

type Fetcher = GraphiQLProps['fetcher'];

/** The close code with which the server refuses a key, also one that is revoked later. */
const FORBIDDEN = 4403;

/** Queries and mutations over HTTP, subscriptions over a WebSocket that comes back by itself. */
export function createFetcher(apiKey: string): Fetcher {
  const authorization = `Bearer ${apiKey}`;
  const url = new URL('/graphql', location.href);
  const socket = createClient({
    url: url.href.replace(/^http/, 'ws'),
    connectionParams: { authorization },
    retryAttempts: Number.POSITIVE_INFINITY,
    // A Grove that restarts refuses connections for a moment, which the client takes for good unless it is told otherwise.
    shouldRetry: (end) => !isRefusal(end),
  });
  return ({ query, variables, operationName }, options) => {
    const request = { query, ...(variables ? { variables } : {}), ...(operationName ? { operationName } : {}) };
    const document = options?.documentAST;
    if (document && getOperationAST(document, operationName)?.operation === 'subscription')
      return results(socket, request) as never;
    return post(url, authorization, request);
  };
}

async function* results(socket: Client, request: SubscribePayload) {
  try {
    yield* socket.iterate(request);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    throw new Error('Grove refuses this API key: it is wrong, expired or revoked. Use another key.', { cause: error });
  }
}

function isRefusal(end: unknown): boolean {
  return typeof end === 'object' && end !== null && 'code' in end && end.code === FORBIDDEN;
}

async function post(url: URL, authorization: string, request: object): Promise<never> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json, application/json',
      authorization,
    },
    body: JSON.stringify(request),
  });
  return (await response.json()) as never;
}
