import { setTimeout as pause } from 'node:timers/promises';
import WebSocket from 'ws';

export type Told = { cursor: string; label: string | null; at: number };

type Options = {
  /** Where it may connect: any node will do. */
  urls: readonly string[];
  key: string;
  /** Where it begins. */
  cursor: string;
};

const query = /* GraphQL */ `subscription ($after: Cursor) {
  events(after: $after) { __typename
    ... on EventBatch { cursor events { cursor toStatus } }
    ... on Heartbeat { cursor }
    ... on ResumeGap { reason }
    ... on SlowSubscriber { cursor }
  }
}`;

const longestPauseMs = 300;
const connectMs = 5_000;

/** A monitor as a careful client is one: it notes the cursor with what it was told, and comes back with it, at any node. */
export class RealtimeSubscriber {
  readonly told: Told[] = [];
  /** What must never be said to it. */
  readonly complaints: string[] = [];
  readonly #options: Options;
  #cursor: string;
  #socket: WebSocket | null = null;
  #stopped = false;
  connections = 0;

  constructor(options: Options) {
    this.#options = options;
    this.#cursor = options.cursor;
    void this.#stay();
  }

  /** Its connection breaks without a word. */
  drop(): void {
    this.#socket?.terminate();
  }

  /** It takes nothing for a while. */
  async freeze(ms: number): Promise<void> {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    socket.pause();
    await pause(ms);
    socket.resume();
  }

  stop(): void {
    this.#stopped = true;
    this.#socket?.terminate();
  }

  async #stay(): Promise<void> {
    while (!this.#stopped) {
      const { urls } = this.#options;
      await this.#session(urls[Math.floor(Math.random() * urls.length)] ?? '');
      // Nothing announces that a node is back; the jitter keeps a crowd from coming at once.
      await pause(Math.random() * longestPauseMs);
    }
  }

  /** One connection, to its end. */
  #session(url: string): Promise<void> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
      handshakeTimeout: connectMs,
    });
    this.#socket = socket;
    const say = (message: object) => socket.send(JSON.stringify(message));
    socket.on('error', () => {});
    socket.on('open', () => say({ type: 'connection_init', payload: { apiKey: this.#options.key } }));
    socket.on('message', (text) => {
      const { type, payload } = JSON.parse(String(text));
      if (type === 'connection_ack') {
        this.connections += 1;
        say({ type: 'subscribe', id: '1', payload: { query, variables: { after: this.#cursor } } });
      } else if (type === 'next' && payload.data?.events) this.#hear(payload.data.events);
      // An error (the store was away) or the end of a slow stream: it comes back.
      else socket.terminate();
    });
    return new Promise((resolve) =>
      socket.once('close', (code) => {
        if (code === 4403) this.complaints.push('closed with 4403');
        resolve();
      }),
    );
  }

  #hear(message: {
    __typename: string;
    cursor?: string;
    reason?: string;
    events?: { cursor: string; toStatus: string }[];
  }) {
    if (message.__typename === 'ResumeGap') this.complaints.push(`a gap: ${message.reason}`);
    for (const { cursor, toStatus } of message.events ?? []) {
      this.told.push({ cursor, label: toStatus, at: performance.now() });
    }
    this.#cursor = message.cursor ?? this.#cursor;
  }
}
