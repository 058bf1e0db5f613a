import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ExecutionArgs, GraphQLError } from 'graphql';
import {
  type Context,
  GRAPHQL_TRANSPORT_WS_PROTOCOL,
  makeServer,
  type Server,
  type SubscribePayload,
} from 'graphql-ws';
import { WebSocket, WebSocketServer } from 'ws';
import { authenticate } from '#auth/authenticate.ts';
import { bearerToken } from '#auth/bearerToken.ts';
import type { Actor } from '#domain/actor.ts';
import type { GraphqlDeps } from '#graphql/context.ts';
import { inTurn } from '#lib/flow/inTurn.ts';
import { framedResponses } from './framedResponses.ts';
import { type GraphqlYoga, MAX_REQUEST_BYTES } from './graphqlYoga.ts';
import type { KeyWatch } from './keyWatch.ts';
import { maskError } from './maskError.ts';
import type { SharedExecution } from './sharedExecution.ts';

type GraphqlSocketDeps = {
  yoga: GraphqlYoga;
  sharedExecution: SharedExecution;
  keyWatch: KeyWatch;
  operations: GraphqlDeps['operations'];
  /** True from the moment when the server begins to close. */
  closing: () => boolean;
};

export type GraphqlSocket = {
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Sends every client away with "come back". */
  close(): Promise<void>;
};

/** A connection's own state; no actor until it has signed in. */
type Connection = { socket: WebSocket; wire: Duplex; actor: Actor | null };
type ConnectionContext = Context<Record<string, unknown>, Connection>;

const BAD_REQUEST = 4400;
const FORBIDDEN = 4403;
const GOING_AWAY = 1001;
const TRY_AGAIN_LATER = 1013;
const INTERNAL_ERROR = 1011;
const PING_MS = 15_000;
/** What may wait in this process for one slow client before its stream does. */
const MOST_BUFFERED_BYTES = 64 * 1024;
const FAREWELL_MS = 500;

/** GraphQL over WebSockets (graphql-transport-ws): every kind of operation, signed in by connection_init. */
export function createGraphqlSocket(deps: GraphqlSocketDeps): GraphqlSocket {
  const { operations, closing } = deps;
  const { logger } = operations;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_REQUEST_BYTES,
    handleProtocols: (offered) => offered.has(GRAPHQL_TRANSPORT_WS_PROTOCOL) && GRAPHQL_TRANSPORT_WS_PROTOCOL,
  });
  const server = makeServer<Record<string, unknown>, Connection>({
    onConnect: (context) => signIn(deps, context),
    onSubscribe: (context, id, payload) => prepare(deps, context.extra, { ...payload, id }),
    execute: (args) => (args.rootValue as Request).execute(args),
    subscribe: async (args) => {
      const { framing } = args.rootValue as Request;
      const answer = await deps.sharedExecution.subscribe({ ...args, rootValue: null });
      // graphql-ws holds the arguments for as long as the stream, and what is in here is as much as the rest of it.
      Object.assign(args, { rootValue: null, contextValue: null });
      return Symbol.asyncIterator in answer ? framedResponses(answer, framing) : answer;
    },
  });
  sockets.on('connection', (socket, wire: Duplex) => serve({ server, socket, wire, logger, closing }));
  const endPings = pingClients(sockets);

  return {
    handleUpgrade(request, socket, head) {
      sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client, socket));
    },
    async close() {
      endPings();
      const leaving = [...sockets.clients];
      const cut = setTimeout(() => {
        for (const socket of leaving) socket.terminate();
      }, FAREWELL_MS);
      for (const socket of leaving) socket.close(GOING_AWAY, 'Grove is stopping. Come back soon.');
      await Promise.all(leaving.map(whenClosed));
      clearTimeout(cut);
    },
  };
}

type Serving = {
  server: Server<Connection>;
  socket: WebSocket;
  wire: Duplex;
  logger: GraphqlDeps['operations']['logger'];
  closing: () => boolean;
};

/** Carries the messages of one connection between its socket and graphql-ws. */
function serve({ server, socket, wire, logger, closing }: Serving): void {
  const closed = server.opened(
    {
      protocol: socket.protocol,
      // A subscription that the server ends is not to be taken for complete: the client would not come back.
      send: (message) => (closing() && isComplete(message) ? undefined : send(socket, message)),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (handle) =>
        socket.on('message', (message) => {
          // What comes behind a fault is not carried out: the client is told that it was sent away.
          if (socket.readyState !== WebSocket.OPEN) return;
          handle(String(message)).catch((error: unknown) => {
            if (isOfServersOnly(error)) return socket.close(BAD_REQUEST, 'Only servers send such messages');
            logger.error({ err: error }, 'a WebSocket message could not be handled');
            socket.close(INTERNAL_ERROR, 'Internal error');
          });
        }),
    },
    { socket, wire, actor: null },
  );
  socket.on('error', (error) => logger.debug({ err: error }, 'a WebSocket broke'));
  socket.once('close', (code, reason) => {
    closed(code, String(reason)).catch((error: unknown) =>
      logger.error({ err: error }, 'a WebSocket left something behind'),
    );
  });
}

/** False closes the socket as forbidden. */
async function signIn({ operations, keyWatch }: GraphqlSocketDeps, context: ConnectionContext): Promise<boolean> {
  const { extra, connectionParams } = context;
  try {
    extra.actor = await authenticate(operations, keyFrom(connectionParams ?? {}));
  } catch (error) {
    operations.logger.warn({ err: error }, 'a client could not be signed in; it is told to try again');
    extra.socket.close(TRY_AGAIN_LATER, 'Try again later');
  }
  if (extra.actor === null || extra.socket.readyState !== WebSocket.OPEN) return false;
  extra.socket.once(
    'close',
    keyWatch.watch(extra.actor, () => extra.socket.close(FORBIDDEN, 'Forbidden')),
  );
  return true;
}

/** `{ "authorization": "Bearer grv_…" }`, in either case, or `{ "apiKey": "grv_…" }`. */
function keyFrom({ authorization, Authorization, apiKey }: Record<string, unknown>): string | null {
  const header = authorization ?? Authorization;
  if (typeof header === 'string') return bearerToken(header);
  return typeof apiKey === 'string' ? apiKey : null;
}

/** What one request is carried out with, handed through graphql-ws. */
type Request = Pick<ReturnType<GraphqlYoga['getEnveloped']>, 'execute'> & {
  framing: Parameters<typeof framedResponses>[1];
};

/** Through the same pipeline as over HTTP, but that subscriptions go past its wrappers: each message would go through them. */
async function prepare(
  { yoga, operations }: GraphqlSocketDeps,
  connection: Connection,
  { id, query, variables, operationName }: SubscribePayload & { id: string },
): Promise<ExecutionArgs | readonly GraphQLError[]> {
  const { actor } = connection;
  if (actor === null) throw new Error('An operation came before the sign-in.');
  const params = { query, variables: variables ?? {}, ...(operationName ? { operationName } : {}) };
  const { schema, parse, validate, contextFactory, execute } = yoga.getEnveloped({ actor, params } as never);
  try {
    const document = parse(query);
    const errors: readonly GraphQLError[] = validate(schema, document);
    if (errors.length > 0) return errors;
    return {
      schema,
      document,
      operationName: operationName ?? null,
      variableValues: variables ?? {},
      contextValue: await contextFactory(),
      rootValue: {
        execute,
        framing: { id, sendFrame: (frame) => sendFrame(connection, frame) },
      } satisfies Request,
    };
  } catch (error) {
    return [maskError(error, operations.logger)];
  }
}

/** Ends when the message has left this process: whoever reads slowly is sent slowly. */
function send(socket: WebSocket, message: string): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.readyState !== WebSocket.OPEN) return resolve();
    socket.send(message, (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * As `send`, for the many messages of streams: a whole frame in one write past ws, where ws makes two parts. ws writes its own frames whole
 * and at once too, since nothing is compressed, so that the two never mix. Waits only where what the client has not taken yet has
 * piled up.
 */
function sendFrame({ socket, wire }: Connection, frame: Buffer): Promise<void> | undefined {
  if (socket.readyState !== WebSocket.OPEN || !wire.writable) return undefined;
  if (wire.writableLength < MOST_BUFFERED_BYTES) return void wire.write(frame);
  return new Promise((resolve) => wire.write(frame, () => resolve()));
}

/** graphql-ws takes a message that only servers send for a fault of its own; it throws nothing else of this kind. */
function isOfServersOnly(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Unexpected message of type');
}

function isComplete(message: string): boolean {
  return (JSON.parse(message) as { type?: string }).type === 'complete';
}

/** Ends connections whose other end is gone without a word. */
function pingClients(sockets: WebSocketServer): () => void {
  const silent = new WeakSet<WebSocket>();
  sockets.on('connection', (socket: WebSocket) => socket.on('pong', () => silent.delete(socket)));
  const ping = (socket: WebSocket) => {
    if (silent.has(socket)) socket.terminate();
    silent.add(socket);
    socket.ping();
  };
  const timer = setInterval(() => void inTurn(sockets.clients, ping), PING_MS);
  timer.unref();
  return () => clearInterval(timer);
}

async function whenClosed(socket: WebSocket): Promise<void> {
  if (socket.readyState === WebSocket.CLOSED) return;
  await new Promise((resolve) => socket.once('close', resolve));
}
