import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { buildSchema } from 'graphql';
import { type Extra, useServer } from 'graphql-ws/use/ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { type AgentHello, agentSchemaSource } from '#agent/protocol.ts';
import type { Bus } from '#events/bus.ts';
import type { Clock } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import type { Database } from '#store/database.ts';
import { type AgentSession, agentRoots } from './agentRoots.ts';
import type { SecretOpener } from './commandStream.ts';
import { createCommandWatch } from './commandWatch.ts';
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
  const { logger, observations } = deps;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxPayloadBytes });
  const connected = new Map<string, WebSocket>();
  const watch = createCommandWatch(deps);
  const { roots, settled } = agentRoots({ ...deps, watch });
  const notes = new Set<Promise<void>>();
  let closing = false;

  async function onConnect({ connectionParams, extra }: ConnectionContext): Promise<boolean> {
    try {
      const agent = await signInAgent(deps, connectionParams);
      if (agent === null) logger.warn({ address: extra.request.socket.remoteAddress }, 'refused an agent: wrong token');
      if (agent === null || extra.socket.readyState !== extra.socket.OPEN) return false;
      extra.session = admit(agent, extra.socket);
      return true;
    } catch (error) {
      logger.warn({ err: error }, 'could not sign an agent in; it will try again');
      extra.socket.close(tryAgainLaterCode, 'Try again later');
      return false;
    }
  }

  function admit(agent: AgentIdentity, socket: WebSocket): AgentSession {
    const { instanceId } = agent;
    const gone = new AbortController();
    connected.get(instanceId)?.close(replacedCode, 'Replaced by a newer connection');
    connected.set(instanceId, socket);
    socket.once('close', () => {
      gone.abort();
      if (connected.get(instanceId) !== socket) return;
      connected.delete(instanceId);
      observations.forget(instanceId);
      if (!closing) noteLoss(instanceId);
      logger.debug({ instanceId }, 'agent disconnected');
    });
    logger.debug({ instanceId }, 'agent connected');
    return { agent, signal: gone.signal };
  }

  /** Whoever judges the instance need not wait for its reports to stay away. */
  function noteLoss(instanceId: string): void {
    const noted = recordAgentLoss(deps, instanceId)
      .catch((error: unknown) => logger.warn({ err: error, instanceId }, 'the loss of an agent could not be noted'))
      .finally(() => notes.delete(noted));
    notes.add(noted);
  }

  sockets.on('connection', (socket) => {
    socket.on('error', (error) => logger.debug({ err: error }, 'an agent connection broke'));
  });
  const server = useServer<AgentHello & Record<string, unknown>, SessionExtra>(
    {
      schema: buildSchema(agentSchemaSource),
      roots,
      context: ({ extra }) => extra.session,
      onConnect,
      isProd: true,
    },
    sockets,
    keepAliveMs,
  );

  return {
    handleUpgrade(request, socket, head) {
      if (closing) return void socket.destroy();
      sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client, request));
    },
    async close() {
      if (closing) return;
      closing = true;
      const cutOff = setTimeout(() => {
        for (const socket of sockets.clients) socket.terminate();
      }, closeGraceMs);
      await server.dispose();
      clearTimeout(cutOff);
      await Promise.all([watch.close(), settled(), ...notes]);
    },
  };
}
