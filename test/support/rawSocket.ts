import { setTimeout as delay } from 'node:timers/promises';

import WebSocket from 'ws';
import { assertPresent } from '#lib/values/assertPresent.ts';
import type { Shape } from './apiClient.ts';

/** A message of graphql-transport-ws, as it was sent. */
export type WireMessage = { type: string; id?: string; payload?: Shape };

export type RawSocketOptions = {
  /** The subprotocols that are offered. Null: none. */
  protocol?: string | null;
};

/** A WebSocket without a GraphQL client on it: what is sent and what comes is what the test says and sees. */
export class RawSocket {
  readonly socket: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #messages: WireMessage[] = [];
  #wake = () => {};
  #end: { code: number; reason: string } | null = null;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('message', (text) => {
      this.#messages.push(JSON.parse(String(text)) as WireMessage);
      this.#wake();
    });
    this.closed = new Promise((resolve) =>
      socket.once('close', (code, reason) => {
        this.#end = { code, reason: String(reason) };
        resolve(this.#end);
        this.#wake();
      }),
    );
  }

  /** Connects. The handshake's subprotocol goes in as a header, so that a refusal of it is for the server to say. */
  static async open(url: string, { protocol = 'graphql-transport-ws' }: RawSocketOptions = {}): Promise<RawSocket> {
    const known = protocol === 'graphql-transport-ws';
    const headers = known || protocol === null ? {} : { 'sec-websocket-protocol': protocol };
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, known ? [protocol] : [], { headers });
    const raw = new RawSocket(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', () => resolve());
      socket.once('error', reject);
    });
    return raw;
  }

  /** What is no text is sent as JSON. */
  send(...messages: unknown[]): void {
    for (const message of messages) this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** The next message; throws if there is none within the time, or if the socket is closed before. */
  async next(withinMs = 5_000): Promise<WireMessage> {
    const late = delay(withinMs, 'late' as const, { ref: false });
    while (this.#messages.length === 0) {
      if (this.#end !== null) throw new Error(`closed with ${this.#end.code} ${this.#end.reason}`);
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      if ((await Promise.race([woken, late])) === 'late') throw new Error(`no message within ${withinMs} ms`);
    }
    return assertPresent(this.#messages.shift(), 'a message');
  }

  /** What has come and was not asked for. */
  get unread(): readonly WireMessage[] {
    return this.#messages;
  }

  /** Waits until the server has answered everything that was sent before, by an answer that comes after it. */
  async settled(): Promise<void> {
    const marker = `settled ${crypto.randomUUID()}`;
    this.send({ type: 'ping', payload: { marker } });
    for (;;) {
      const index = this.#messages.findIndex(({ payload }) => payload?.marker === marker);
      if (index >= 0) {
        this.#messages.splice(index, 1);
        return;
      }
      if (this.#end !== null) throw new Error(`closed with ${this.#end.code} ${this.#end.reason}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** connection_init and the acknowledgement. */
  async signIn(key: string): Promise<this> {
    this.send({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } });
    const { type } = await this.next();
    if (type !== 'connection_ack') throw new Error(`${type} instead of connection_ack`);
    return this;
  }
}
