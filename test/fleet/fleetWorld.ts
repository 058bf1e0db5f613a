import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Client, createClient } from 'graphql-ws';
import { pino } from 'pino';
import { WebSocket } from 'ws';
import { type AgentCommand, agentPath } from '#agent/protocol.ts';
import type { Observation } from '#domain/observation.ts';
import { createInProcessBus } from '#events/inProcessBus.ts';
import { type AgentGateway, createAgentGateway } from '#fleet/gateway.ts';
import { createObservationIntake } from '#fleet/observations.ts';
import { createSecretBox } from '#lib/secrets/secretBox.ts';
import { systemClock } from '#lib/time/clock.ts';
import type { Database } from '#store/database.ts';
import { createTestDatabase } from '../support/postgres.ts';

export const servingObservation: Observation = {
  at: '2026-01-01T00:00:00.000Z',
  serving: true,
  reason: null,
  role: 'PRIMARY',
  stopped: false,
  startedAt: '2026-01-01T00:00:00.000Z',
  connections: 1,
  storageUsedBytes: 1024,
  replication: null,
  followerStates: [],
  lastPosition: null,
  engine: {},
};

export type World = Awaited<ReturnType<typeof createWorld>>;

/** A store with one cluster of three instances and a running operation, and what the fleet is built of. */
export async function createWorld() {
  const { db, close } = await createTestDatabase();
  const deps = {
    db,
    bus: createInProcessBus(),
    clock: systemClock,
    logger: pino({ level: 'silent' }),
    secrets: createSecretBox(new Uint8Array(32)),
  };
  const project = await db.project.create({ data: { name: 'default' } });
  const size = { cpuMillis: 1000, memoryMiB: 256, storageGiB: 1 };
  const common = { projectId: project.id, provider: 'local', ...size };
  const cluster = await db.cluster.create({
    data: { ...common, name: 'orders', engine: 'postgresql', engineVersion: '18', instanceCount: 3, accessRules: [] },
  });
  const tokens = ['one', 'two', 'three'];
  const instances = await Promise.all(
    tokens.map((token, index) =>
      db.instance.create({
        data: {
          ...common,
          clusterId: cluster.id,
          name: `orders-${index + 1}`,
          agentTokenHash: createHash('sha256').update(token).digest(),
        },
      }),
    ),
  );
  const operation = await createOperation(db, cluster);
  const [first, second, third] = instances;
  if (first === undefined || second === undefined || third === undefined) throw new Error('There are three instances');
  return { ...deps, deps, project, cluster, first, second, third, tokens, operation, close };
}

/** A running operation on a cluster that has none. */
export function createOperation(db: Database, { id, projectId }: { id: string; projectId: string }) {
  return db.operation.create({
    data: {
      projectId,
      clusterId: id,
      kind: 'CREATE_CLUSTER',
      status: 'RUNNING',
      input: {},
      clusterVersion: 1,
      inputHash: new Uint8Array(32),
      requestedBy: {},
      stepsTotal: 1,
      deadlineAt: new Date(Date.now() + 60_000),
    },
  });
}

export type Wire = Awaited<ReturnType<typeof openWire>>;

/** A gateway on a free port of loopback, with its intake. */
export async function openWire(world: World, { db = world.db }: { db?: Database } = {}) {
  const changed: string[] = [];
  const onInstanceChanged = async (clusterId: string) => void changed.push(clusterId);
  const observations = createObservationIntake({ ...world.deps, onInstanceChanged });
  const gateway: AgentGateway = createAgentGateway({ ...world.deps, db, observations });
  const server = createServer().listen(0, '127.0.0.1');
  server.on('upgrade', (request, socket, head) => gateway.handleUpgrade(request, socket, head));
  await once(server, 'listening');
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}${agentPath}`;
  return {
    url,
    changed,
    gateway,
    async close() {
      await gateway.close();
      await observations.close();
      server.close();
    },
  };
}

export type Agent = {
  client: Client;
  /** Resolves with the code that the socket was closed with. */
  closed: Promise<number>;
  commands(): AsyncIterableIterator<AgentCommand>;
  finish(commandId: string, outcome: unknown): Promise<boolean>;
  progress(commandId: string, message: string): Promise<boolean>;
  report(observation: unknown): Promise<boolean>;
};

/** A stock client that speaks the agents' protocol, and does not reconnect. */
export function connectAgent(
  { url }: Pick<Wire, 'url'>,
  hello: { instanceId: string; token: string; version?: string },
): Agent {
  const { promise: closed, resolve } = Promise.withResolvers<number>();
  const client = createClient({
    url,
    webSocketImpl: WebSocket,
    connectionParams: { version: '1.2.3', ...hello },
    lazy: false,
    retryAttempts: 0,
    onNonLazyError: () => {},
    on: { closed: (event) => resolve((event as CloseEvent).code) },
  });

  async function ask(query: string, variables: Record<string, unknown>): Promise<boolean> {
    for await (const { data, errors } of client.iterate<{ answer: boolean }>({ query, variables })) {
      if (errors !== undefined) throw new Error(errors.map(({ message }) => message).join('; '));
      return data?.answer ?? false;
    }
    throw new Error('No answer');
  }

  return {
    client,
    closed,
    async *commands() {
      const query = 'subscription { commands { id kind payload secrets } }';
      for await (const { data } of client.iterate<{ commands: AgentCommand }>({ query })) {
        if (data) yield data.commands;
      }
    },
    finish: (commandId, outcome) =>
      ask('mutation ($commandId: ID!, $outcome: JSON!) { answer: finish(commandId: $commandId, outcome: $outcome) }', {
        commandId,
        outcome,
      }),
    progress: (commandId, message) =>
      ask(
        'mutation ($commandId: ID!, $message: String!) { answer: progress(commandId: $commandId, message: $message) }',
        {
          commandId,
          message,
        },
      ),
    report: (observation) =>
      ask('mutation ($observation: JSON!) { answer: report(observation: $observation) }', { observation }),
  };
}

/** A command row for an instance. */
export function createCommand(world: World, instanceId: string, kind: string, createdAt = new Date()) {
  const data = {
    id: randomUUID(),
    instanceId,
    operationId: world.operation.id,
    stepKey: 'step',
    kind,
    payload: {},
    createdAt,
  };
  return world.db.agentCommand.create({ data });
}
