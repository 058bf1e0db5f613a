import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GraphqlDeps } from '#graphql/context.ts';
import { createGraphiql, graphiqlPath } from './graphiql/graphiql.ts';
import { graphqlPath } from './graphqlYoga.ts';
import { healthPaths, isReady } from './health.ts';
import { sendJson } from './sendJson.ts';

export type Answer = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

type RoutesDeps = { graphqlHttp: Answer; operations: GraphqlDeps['operations']; closing: () => boolean };

/** Answers every HTTP request: what is at which path. Never rejects. */
export function createRoutes({ graphqlHttp, operations, closing }: RoutesDeps): Answer {
  const graphiql = createGraphiql();

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = pathOf(request);
    if (path === healthPaths.alive) return sendJson(response, 200, { status: 'alive' });
    if (closing())
      return sendJson(response, 503, { error: 'Grove is stopping. Try again soon.' }, { connection: 'close' });
    if (path === healthPaths.ready) return readiness(response);
    if (path === graphqlPath) return graphqlHttp(request, response);
    if (path === graphiqlPath || path.startsWith(`${graphiqlPath}/`)) return graphiql(request, response);
    sendJson(response, 404, {
      error: `Nothing is at ${path}. The API is at ${graphqlPath}, GraphiQL at ${graphiqlPath}.`,
    });
  }

  async function readiness(response: ServerResponse): Promise<void> {
    if (await isReady(operations)) return sendJson(response, 200, { status: 'ready' });
    sendJson(response, 503, { status: 'the store does not answer' });
  }

  return async (request, response) => {
    response.setHeader('x-content-type-options', 'nosniff');
    try {
      await route(request, response);
    } catch (error) {
      const errorId = randomUUID();
      operations.logger.error({ err: error, errorId }, 'a request failed');
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { error: `Internal error ${errorId}` });
    }
  };
}

export function pathOf(request: IncomingMessage): string {
  return request.url?.split('?', 1)[0] ?? '/';
}
