import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buildSchema } from 'graphql';
import { useServer as serveGraphql } from 'graphql-ws/use/ws';
import { onTestFinished } from 'vitest';
import { WebSocketServer } from 'ws';
import {
  type AgentCommand,
  type AgentHello,
  agentPath,
  agentSchemaSource,
  type CommandOutcome,
} from '#agent/protocol.ts';
import type { Observation } from '#domain/observation.ts';

/** A control plane that is nothing but the agents' wire. It notes all that it is told. */
export type TestControlPlane = {
  url: string;
  hellos: AgentHello[];
  observations: Observation[];
  progress: { commandId: string; message: string }[];
  finished: { commandId: string; outcome: CommandOutcome }[];
  /** How many connections have been closed by this end. */
  deliver(command: AgentCommand): void;
  /** Ends every connection, with a close code or without a word. */
  cutOff(code?: number): void;
  /** Answers the next ends of commands with an error, or takes their connections away instead of an answer. */
  refuseFinishes(count: number, how: 'error' | 'cut'): void;
  /** Only hellos with this token are let in. */
  requireToken(token: string): void;
};

/** Starts one on a free port, or on the port of one that is gone. It ends with the test. */
export async function testControlPlane(): Promise<TestControlPlane> {
  const http = createServer();
  const sockets = new WebSocketServer({ server: http, path: agentPath });
  const plane = controlPlane(http, sockets);
  await listen(http);
  onTestFinished(async () => {
    plane.cutOff();
    sockets.close();
    http.close();
    http.closeAllConnections();
  });
  return { ...plane, url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}` };
}

function controlPlane(_http: Server, sockets: WebSocketServer): Omit<TestControlPlane, 'url'> {
  const told = {
    hellos: [] as AgentHello[],
    observations: [] as Observation[],
    progress: [] as { commandId: string; message: string }[],
    finished: [] as { commandId: string; outcome: CommandOutcome }[],
  };
  const unfinished = new Map<string, AgentCommand>();
  const streams = new Set<(command: AgentCommand) => void>();
  let refusals = { left: 0, how: 'error' };
  let token: string | null = null;
  const cutOff = (code?: number) => {
    for (const socket of sockets.clients) {
      if (code === undefined) socket.terminate();
      else socket.close(code);
    }
  };

  async function* commands() {
    const waiting = [...unfinished.values()];
    let wake = () => {};
    const push = (command: AgentCommand) => {
      waiting.push(command);
      wake();
    };
    streams.add(push);
    try {
      for (;;) {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) yield { commands: next };
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      streams.delete(push);
    }
  }

  const rootValue = {
    commands,
    report: ({ observation }: { observation: Observation }) => told.observations.push(observation) > 0,
    progress: (message: { commandId: string; message: string }) => told.progress.push(message) > 0,
    finish: (finish: { commandId: string; outcome: CommandOutcome }) => {
      if (refusals.left > 0) {
        refusals.left -= 1;
        if (refusals.how === 'cut') cutOff();
        throw new Error('refused by the test');
      }
      unfinished.delete(finish.commandId);
      return told.finished.push(finish) > 0;
    },
  };
  serveGraphql(
    {
      schema: buildSchema(agentSchemaSource),
      roots: { query: { ping: true }, mutation: rootValue, subscription: rootValue },
      onConnect: ({ connectionParams }) => {
        const hello = connectionParams as AgentHello;
        told.hellos.push(hello);
        return token === null || hello.token === token;
      },
    },
    sockets,
  );
  return {
    ...told,
    deliver(command) {
      unfinished.set(command.id, command);
      for (const push of streams) push(command);
    },
    cutOff,
    refuseFinishes: (left, how) => {
      refusals = { left, how };
    },
    requireToken: (required) => {
      token = required;
    },
  };
}

async function listen(http: Server): Promise<void> {
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
}
