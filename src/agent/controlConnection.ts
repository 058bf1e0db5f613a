import { type Client, createClient } from 'graphql-ws/client';
import { WebSocket } from 'ws';
import type { Observation } from '#domain/observation.ts';
import type { AgentCommand, AgentHello, CommandOutcome } from './protocol.ts';

const handshakeMs = 5000;
const pingMs = 5000;
const pongWithinMs = 5000;

/** Why a connection ended. `code`: the socket's close code; null: it never opened, or broke. */
export type Closing = { code: number | null; reason: string };

export type ControlConnectionOptions = {
  url: string;
  hello: AgentHello;
  onConnected(): void;
  onCommand(command: AgentCommand): void;
};

/** One connection to the control plane, from its opening to its end. Every call fails once it has ended. */
export type ControlConnection = {
  /** Resolves when the connection has ended, however it did. */
  closed: Promise<Closing>;
  report(observation: Observation): Promise<void>;
  progress(commandId: string, message: string): Promise<void>;
  /** Resolves when the control plane has the outcome. */
  finish(commandId: string, outcome: CommandOutcome): Promise<void>;
  close(): void;
};

/** Opens a connection and subscribes to the instance's commands. It is not opened again when it ends. */
export function openControlConnection(options: ControlConnectionOptions): ControlConnection {
  const liveness = watchLiveness(() => client.terminate());
  let ended = false;
  let closing: Closing | null = null;
  const client = createControlClient(options, liveness.listeners, (event) => {
    closing = closingOf(event);
    dispose(client);
  });
  const closed = subscribeToCommands(client, options.onCommand).then((end) => {
    ended = true;
    liveness.stop();
    dispose(client);
    return closing ?? end;
  });
  const mutate = async (query: string, variables: Record<string, unknown>) => {
    if (ended) throw new Error('The connection has ended.');
    await execute(client, query, variables);
  };
  return { closed, ...reports(mutate), close: () => dispose(client) };
}

function createControlClient(
  { url, hello, onConnected }: ControlConnectionOptions,
  listeners: ReturnType<typeof watchLiveness>['listeners'],
  closed: (event: unknown) => void,
): Client {
  return createClient({
    url,
    connectionParams: hello,
    webSocketImpl: AgentSocket,
    // The agent decides when to connect again; disposed, the client does not even after an orderly close.
    retryAttempts: 0,
    keepAlive: pingMs,
    connectionAckWaitTimeout: handshakeMs,
    on: { ...listeners, connected: onConnected, closed },
  });
}

/** What an agent tells the control plane, as mutations of the protocol. */
function reports(
  mutate: (query: string, variables: Record<string, unknown>) => Promise<void>,
): Pick<ControlConnection, 'report' | 'progress' | 'finish'> {
  return {
    report: (observation) =>
      mutate('mutation ($observation: JSON!) { report(observation: $observation) }', { observation }),
    progress: (commandId, message) =>
      mutate('mutation ($commandId: ID!, $message: String!) { progress(commandId: $commandId, message: $message) }', {
        commandId,
        message,
      }),
    finish: (commandId, outcome) =>
      mutate('mutation ($commandId: ID!, $outcome: JSON!) { finish(commandId: $commandId, outcome: $outcome) }', {
        commandId,
        outcome,
      }),
  };
}

/** Ends the client for good. Its promise fails with whatever had ended the socket, which `closed` tells. */
function dispose(client: Client): void {
  Promise.resolve(client.dispose()).catch(() => {});
}

/** Small messages: compression would cost more memory than it saves traffic. */
class AgentSocket extends WebSocket {
  constructor(address: string, protocol: string) {
    super(address, protocol, { perMessageDeflate: false, handshakeTimeout: handshakeMs });
  }
}

function subscribeToCommands(client: Client, onCommand: (command: AgentCommand) => void): Promise<Closing> {
  return new Promise((resolve) => {
    client.subscribe<{ commands: AgentCommand }>(
      { query: 'subscription { commands { id kind payload secrets } }' },
      {
        next: ({ data }) => {
          if (data) onCommand(data.commands);
        },
        error: (cause) => resolve(closingOf(cause)),
        complete: () => resolve({ code: null, reason: 'The control plane ended the subscription.' }),
      },
    );
  });
}

function execute(client: Client, query: string, variables: Record<string, unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    client.subscribe(
      { query, variables },
      {
        next: ({ errors }) => {
          const [error] = errors ?? [];
          if (error) reject(new Error(error.message));
          else resolve();
        },
        error: (cause) => reject(new Error(closingOf(cause).reason)),
        // After an answer this does nothing.
        complete: () => reject(new Error('The connection ended before the answer came.')),
      },
    );
  });
}

/** A peer that vanished without a word answers no ping. */
function watchLiveness(terminate: () => void) {
  let timer: NodeJS.Timeout | undefined;
  return {
    listeners: {
      ping: (received: boolean) => {
        if (!received) timer = setTimeout(terminate, pongWithinMs);
      },
      pong: (received: boolean) => {
        if (received) clearTimeout(timer);
      },
    },
    stop: () => clearTimeout(timer),
  };
}

/** The cause is a close event, an error event, or the errors with which the subscription was refused. */
function closingOf(cause: unknown): Closing {
  if (Array.isArray(cause)) return { code: null, reason: cause.map(({ message }) => message).join('; ') };
  const { code, reason, message } = (cause ?? {}) as { code?: unknown; reason?: unknown; message?: unknown };
  const text = [reason, message].find((words) => typeof words === 'string' && words !== '');
  return {
    code: typeof code === 'number' ? code : null,
    reason: typeof text === 'string' ? text : 'The connection was lost.',
  };
}
