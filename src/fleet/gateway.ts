import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { buildSchema } from 'graphql';
import type { Disposable } from 'graphql-ws';
import { type Extra, useServer } from 'graphql-ws/use/ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { type AgentHello, agentSchemaSource } from '#agent/protocol.ts';
import type { Bus } from '#events/bus.ts';
import type { Logger } from '#lib/log/logger.ts';
import type { Clock } from '#lib/time/clock.ts';
import type { Database } from '#store/database.ts';
import { type AgentRoots, type AgentSession, agentRoots } from './agentRoots.ts';
import type { SecretOpener } from './commandStream.ts';
import { type CommandWatch, createCommandWatch } from './commandWatch.ts';
import type { ObservationIntake } from './observations.ts';
import { recordAgentLoss } from './recordAgentLoss.ts';
import { type AgentIdentity, signInAgent } from './signInAgent.ts';

/** A newer connection of the same instance has taken over. */
const replacedCode = 4410;
/** The store does not answer: come back soon. */
const tryAgainLaterCode = 1013;
const keepAliveMs = 10_000;
/** Agents that do not answer the closing handshake are cut off after this, in milliseconds. */
const closeGraceMs = 1_000;
const maxPayloadBytes = 4 * 1024 * 1024;

export type AgentGatewayDeps = {
  db: Database;
  bus: Bus;
  clock: Clock;
  logger: Logger;
  secrets: SecretOpener;
  /** For commands that work with the backup store, as JSON. Null: it needs none. */
  storeCredentials?: string | null;
  observations: Pick<ObservationIntake, 'report' | 'forget'>;
};

/** The control plane's end of the agents' wire. */
export type AgentGateway = {
  /** Takes over an HTTP upgrade request at `agentPath`. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Sends every agent away with "come back soon" and waits for what they have said so far to be written. */
  close(): Promise<void>;
};

type SessionExtra = { session: AgentSession };
type ConnectionContext = {
  connectionParams?: Readonly<AgentHello & Record<string, unknown>>;
  extra: Extra & Partial<SessionExtra>;
};

/** Serves agents over graphql-ws. Each connection signs in as one instance and can touch only that instance's commands. */
export function createAgentGateway(deps: AgentGatewayDeps): AgentGateway {
  return new Gateway(deps);
}

class Gateway implements AgentGateway {
  readonly #deps: AgentGatewayDeps;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: maxPayloadBytes });
  readonly #watch: CommandWatch;
  readonly #roots: AgentRoots;
  readonly #server: Disposable;
  readonly #connected = new Map<string, WebSocket>();
  readonly #notes = new Set<Promise<void>>();
  #closing = false;

  constructor(deps: AgentGatewayDeps) {
    this.#deps = deps;
    this.#watch = createCommandWatch(deps);
    this.#roots = agentRoots({ ...deps, watch: this.#watch });
    this.#sockets.on('connection', (socket) => {
      socket.on('error', (error) => deps.logger.debug({ err: error }, 'an agent connection broke'));
    });
    this.#server = this.#serve();
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#closing) return void socket.destroy();
    this.#sockets.handleUpgrade(request, socket, head, (client) => this.#sockets.emit('connection', client, request));
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    const cutOff = setTimeout(() => {
      for (const socket of this.#sockets.clients) socket.terminate();
    }, closeGraceMs);
    await this.#server.dispose();
    clearTimeout(cutOff);
    await Promise.all([this.#watch.close(), this.#roots.settled(), ...this.#notes]);
  }

  #serve(): Disposable {
    return useServer<AgentHello & Record<string, unknown>, SessionExtra>(
      {
        schema: buildSchema(agentSchemaSource),
        roots: this.#roots.roots,
        context: ({ extra }) => extra.session,
        onConnect: (context) => this.#signIn(context),
        isProd: true,
      },
      this.#sockets,
      keepAliveMs,
    );
  }

  async #signIn({ connectionParams, extra }: ConnectionContext): Promise<boolean> {
    const { logger } = this.#deps;
    try {
      const agent = await signInAgent(this.#deps, connectionParams);
      if (agent === null) logger.warn({ address: extra.request.socket.remoteAddress }, 'refused an agent: wrong token');
      if (agent === null || extra.socket.readyState !== extra.socket.OPEN) return false;
      extra.session = this.#admit(agent, extra.socket);
      return true;
    } catch (error) {
      logger.warn({ err: error }, 'could not sign an agent in; it will try again');
      extra.socket.close(tryAgainLaterCode, 'Try again later');
      return false;
    }
  }

  #admit(agent: AgentIdentity, socket: WebSocket): AgentSession {
    const { instanceId } = agent;
    const gone = new AbortController();
    this.#connected.get(instanceId)?.close(replacedCode, 'Replaced by a newer connection');
    this.#connected.set(instanceId, socket);
    socket.once('close', () => {
      gone.abort();
      this.#release(instanceId, socket);
    });
    this.#deps.logger.debug({ instanceId }, 'agent connected');
    return { agent, signal: gone.signal };
  }

  #release(instanceId: string, socket: WebSocket): void {
    if (this.#connected.get(instanceId) !== socket) return;
    this.#connected.delete(instanceId);
    this.#deps.observations.forget(instanceId);
    if (!this.#closing) this.#noteLoss(instanceId);
    this.#deps.logger.debug({ instanceId }, 'agent disconnected');
  }

  /** Whoever judges the instance need not wait for its reports to stay away. */
  #noteLoss(instanceId: string): void {
    const { logger } = this.#deps;
    const noted = recordAgentLoss(this.#deps, instanceId)
      .catch((error: unknown) => logger.warn({ err: error, instanceId }, 'the loss of an agent could not be noted'))
      .finally(() => this.#notes.delete(noted));
    this.#notes.add(noted);
  }
}
