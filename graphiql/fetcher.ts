import type { GraphiQLProps } from 'graphiql';
import { getOperationAST } from 'graphql';
import { createClient } from 'graphql-ws';

type Fetcher = GraphiQLProps['fetcher'];

/** Queries and mutations over HTTP, subscriptions over a WebSocket that comes back by itself. */
export function createFetcher(apiKey: string): Fetcher {
  const authorization = `Bearer ${apiKey}`;
  const url = new URL('/graphql', location.href);
  const socket = createClient({
    url: url.href.replace(/^http/, 'ws'),
    connectionParams: { authorization },
    retryAttempts: Number.POSITIVE_INFINITY,
    // A Grove that restarts refuses connections for a moment, which the client takes for good unless it is told otherwise.
    shouldRetry: () => true,
  });
  return ({ query, variables, operationName }, options) => {
    const request = { query, ...(variables ? { variables } : {}), ...(operationName ? { operationName } : {}) };
    const document = options?.documentAST;
    if (document && getOperationAST(document, operationName)?.operation === 'subscription')
      return socket.iterate(request) as never;
    return post(url, authorization, request);
  };
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
