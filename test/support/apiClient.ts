import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

/** What an answer holds: the shape that the query asks for. */
// biome-ignore lint/suspicious/noExplicitAny: the query in the test says what it is
export type Shape = any;

export type Answer = { data?: Shape; errors?: { message: string; extensions?: { code?: string } }[] };

/** A stock client: fetch for queries and mutations, graphql-ws for subscriptions. */
export type ApiClient = {
  request(query: string, variables?: Record<string, unknown>): Promise<Answer>;
  /** The answer's data; throws if there are errors. */
  data(query: string, variables?: Record<string, unknown>): Promise<Shape>;
  /**
   * Ends when the consumer stops reading. With `reconnecting` it survives its server: it subscribes again, with the variables as
   * they are by then.
   */
  subscribe(
    query: string,
    variables?: Record<string, unknown>,
    options?: { reconnecting?: boolean },
  ): AsyncGenerator<Shape>;
};

export function createApiClient(url: string, key: string): ApiClient {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
  const request: ApiClient['request'] = async (query, variables = {}) => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ query, variables }),
    });
    return (await response.json()) as Answer;
  };
  return {
    request,
    async data(query, variables) {
      const { data, errors } = await request(query, variables);
      if (errors) throw new Error(JSON.stringify(errors));
      return data;
    },
    async *subscribe(query, variables = {}, { reconnecting = false } = {}) {
      const client = createClient({
        url: `${url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        connectionParams: { Authorization: `Bearer ${key}` },
        retryAttempts: reconnecting ? Number.POSITIVE_INFINITY : 0,
        shouldRetry: () => reconnecting,
      });
      try {
        for await (const { data, errors } of client.iterate({ query, variables })) {
          if (errors) throw new Error(JSON.stringify(errors));
          yield data;
        }
      } finally {
        await client.dispose();
      }
    },
  };
}
