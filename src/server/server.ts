import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { GraphQLSchema } from 'graphql';
import { agentPath } from '#agent/protocol.ts';
import type { GraphqlDeps } from '#graphql/context.ts';
import { createGraphqlHttp } from './graphqlHttp.ts';
import { createGraphqlSocket } from './graphqlSocket.ts';
import { createGraphqlYoga, graphqlPath } from './graphqlYoga.ts';
import { createKeyWatch } from './keyWatch.ts';
import { type Address, listen } from './listen.ts';
import { createOpenRequests } from './openRequests.ts';
import { createRoutes, pathOf } from './routes.ts';
import { createSharedExecution } from './sharedExecution.ts';

export type ServerDeps = GraphqlDeps & {
  schema: GraphQLSchema;
  /** Takes over the agents' connections. */
  gateway: { handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void };
  /** For looks that are taken again and again: it soon gives up a connection that is silent. */
  looks: GraphqlDeps['operations']['db'];
  config: Address;
};

export type Server = {
  /** Throws StartupError if the address cannot be listened on. */
  listen(): Promise<{ url: string }>;
  /** Tells every stream where to resume, sends the clients away with "come back", and lets open requests end. Under two seconds. */
  close(): Promise<void>;
};

/** How long open requests may go on once the server closes. */
const LAST_REQUESTS_MS = 700;

/** The wire to people: HTTP, server-sent events, WebSockets, health and GraphiQL. */
export function createServer(deps: ServerDeps): Server {
  const { operations, feed, gateway, looks, config } = deps;
  let isClosing = false;
  const closing = () => isClosing;
  const keyWatch = createKeyWatch({ ...operations, db: looks });
  const sharedExecution = createSharedExecution({ keyWatch, logger: operations.logger });
  const yoga = createGraphqlYoga(deps, { sharedExecution, closing });
  const graphqlSocket = createGraphqlSocket({ yoga, sharedExecution, keyWatch, operations, closing });
  const routes = createRoutes({ graphqlHttp: createGraphqlHttp({ yoga, keyWatch, operations }), operations, closing });

  const http = createHttpServer((request, response) => {
    requests.add(response);
    void routes(request, response);
  });
  const requests = createOpenRequests(http);

  const onBroken = (error: Error) => operations.logger.debug({ err: error }, 'a connection broke');
  http.on('upgrade', (request, socket, head) => {
    socket.on('error', onBroken);
    const path = pathOf(request);
    if (isClosing) refuseUpgrade(socket, '503 Service Unavailable');
    else if (path === graphqlPath) graphqlSocket.handleUpgrade(request, socket, head);
    else if (path === agentPath) gateway.handleUpgrade(request, socket, head);
    else refuseUpgrade(socket, '404 Not Found');
  });

  return {
    listen: async () => ({ url: await listen(http, config) }),
    async close() {
      if (isClosing) return;
      isClosing = true;
      http.close();
      await feed.close();
      await Promise.all([graphqlSocket.close(), requests.end({ withinMs: LAST_REQUESTS_MS })]);
      keyWatch.close();
    },
  };
}

function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
