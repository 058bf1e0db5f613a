import { type Client, createClient } from 'graphql-ws';

export type GroveClientOptions = {
  /** Where Grove is, e.g. "http://127.0.0.1:4000"; `/graphql` is added where no path is given. http becomes ws. */
  url: string;
  /** An API key, or what gives one: asked for each connection anew, so that a key can be changed for another. */
  key: string | (() => string | Promise<string>);
  /** Left out: the global one, which browsers and Node 22 and newer have. */
  webSocketImpl?: unknown;
};

const PING_MS = 10_000;
const PONG_MS = 5_000;
const ACKNOWLEDGE_MS = 10_000;
/** Requests that follow each other share a connection. */
const LINGER_MS = 1_000;

/**
 * A client of graphql-ws, good for any operation. It connects when it is needed, notices a connection that has gone dead within
 * 15 s, and leaves coming back to `subscribeWithResume`, which knows the cursor. Throws a TypeError if the URL is none.
 */
export function createGroveClient({ url, key, webSocketImpl }: GroveClientOptions): Client {
  let unanswered: ReturnType<typeof setTimeout> | undefined;
  const client = createClient({
    url: socketUrl(url),
    connectionParams: async () => ({ authorization: `Bearer ${typeof key === 'function' ? await key() : key}` }),
    retryAttempts: 0,
    lazyCloseTimeout: LINGER_MS,
    connectionAckWaitTimeout: ACKNOWLEDGE_MS,
    keepAlive: PING_MS,
    on: {
      ping: (received) => {
        if (!received) unanswered = setTimeout(() => client.terminate(), PONG_MS);
      },
      pong: (received) => {
        if (received) clearTimeout(unanswered);
      },
      closed: () => clearTimeout(unanswered),
    },
    ...(webSocketImpl === undefined ? {} : { webSocketImpl }),
  });
  return client;
}

function socketUrl(text: string): string {
  const url = new URL(text);
  const protocol = { 'http:': 'ws:', 'https:': 'wss:', 'ws:': 'ws:', 'wss:': 'wss:' }[url.protocol];
  if (protocol === undefined) throw new TypeError(`"${text}" is not a URL like http://127.0.0.1:4000.`);
  url.protocol = protocol;
  if (url.pathname === '/') url.pathname = '/graphql';
  return url.href;
}
