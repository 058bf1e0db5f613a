import { randomUUID } from 'node:crypto';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { GraphQLSchema } from 'graphql';
import { agentPath } from '#agent/protocol.ts';
import type { GraphqlDeps } from '#graphql/context.ts';
import { StartupError } from '#lib/startupError.ts';
import { createGraphiql, graphiqlPath } from './graphiql/graphiql.ts';
import { createGraphqlHttp } from './graphqlHttp.ts';
import { createGraphqlSocket } from './graphqlSocket.ts';
import { createGraphqlYoga, graphqlPath } from './graphqlYoga.ts';
import { healthPaths, isReady } from './health.ts';
import { createKeyWatch } from './keyWatch.ts';
import { sendJson } from './sendJson.ts';

export type ServerDeps = GraphqlDeps & {
  schema: GraphQLSchema;
  /** Takes over the agents' connections. */
  gateway: { handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void };
  config: { host: string; port: number };
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
  const { operations, feed, gateway, config } = deps;
  const { logger } = operations;
  let closing = false;
  const keyWatch = createKeyWatch(operations);
  const yoga = createGraphqlYoga(deps, () => closing);
  const graphqlHttp = createGraphqlHttp({ yoga, keyWatch, operations });
  const graphqlSocket = createGraphqlSocket({ yoga, keyWatch, operations });
  const graphiql = createGraphiql();
  const open = new Set<ServerResponse>();

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = pathOf(request);
    if (path === healthPaths.alive) return sendJson(response, 200, { status: 'alive' });
    if (closing)
      return sendJson(response, 503, { error: 'Grove is stopping. Try again soon.' }, { connection: 'close' });
    if (path === healthPaths.ready) {
      return (await isReady(operations))
        ? sendJson(response, 200, { status: 'ready' })
        : sendJson(response, 503, { status: 'the store does not answer' });
    }
    if (path === graphqlPath) return graphqlHttp(request, response);
    if (path === graphiqlPath || path.startsWith(`${graphiqlPath}/`)) return graphiql(request, response);
    sendJson(response, 404, {
      error: `Nothing is at ${path}. The API is at ${graphqlPath}, GraphiQL at ${graphiqlPath}.`,
    });
  }

  const http = createHttpServer((request, response) => {
    open.add(response);
    response.once('close', () => open.delete(response));
    response.setHeader('x-content-type-options', 'nosniff');
    route(request, response).catch((error: unknown) => {
      const errorId = randomUUID();
      logger.error({ err: error, errorId }, 'a request failed');
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { error: `Internal error ${errorId}` });
    });
  });

  http.on('upgrade', (request, socket, head) => {
    socket.on('error', (error) => logger.debug({ err: error }, 'a connection broke before its upgrade'));
    const path = pathOf(request);
    if (closing) return refuseUpgrade(socket, '503 Service Unavailable');
    if (path === graphqlPath) return graphqlSocket.handleUpgrade(request, socket, head);
    if (path === agentPath) return gateway.handleUpgrade(request, socket, head);
    refuseUpgrade(socket, '404 Not Found');
  });

  async function lastRequests(): Promise<void> {
    const cut = setTimeout(() => http.closeAllConnections(), LAST_REQUESTS_MS);
    await Promise.all([...open].map((response) => new Promise((resolve) => response.once('close', resolve))));
    clearTimeout(cut);
    http.closeAllConnections();
  }

  return {
    async listen() {
      await listen(http, config);
      return { url: urlOf(config.host, (http.address() as AddressInfo).port) };
    },
    async close() {
      if (closing) return;
      closing = true;
      http.close();
      await feed.close();
      await Promise.all([graphqlSocket.close(), lastRequests()]);
      keyWatch.close();
    },
  };
}

function pathOf(request: IncomingMessage): string {
  return request.url?.split('?', 1)[0] ?? '/';
}

function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function listen(http: ReturnType<typeof createHttpServer>, { host, port }: ServerDeps['config']): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(error, host, port)));
    http.listen({ host, port }, resolve);
  });
}

function cannotListen(error: NodeJS.ErrnoException, host: string, port: number): StartupError {
  if (error.code === 'EADDRINUSE') {
    return new StartupError(
      `Port ${port} on ${host} is in use. Stop what listens there, or choose another with GROVE_PORT.`,
    );
  }
  if (error.code === 'EACCES') {
    return new StartupError(`This user may not listen on port ${port}. Choose one above 1023 with GROVE_PORT.`);
  }
  return new StartupError(
    `Cannot listen on ${host}, port ${port} (${error.message}). Correct GROVE_HOST or GROVE_PORT.`,
  );
}

/** An address that one can connect to: a wildcard is only good to listen on. */
function urlOf(host: string, port: number): string {
  const reachable = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
