import { type Client, createClient } from 'graphql-ws';

export type GroveClientOptions = {
  /**
   * Where Grove is, e.g. "http://127.0.0.1:4000"; `/graphql` is added where no path is given. http becomes ws. Of several, the next one is
   * taken whenever a connection is lost or cannot be made.
   */
  url: string | readonly string[];
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
/** Nobody needs the connection any more. */
const CLOSED_BY_US = 1000;

/**
 * A client of graphql-ws, good for any operation. It connects when it is needed, notices a connection that has gone dead within
 * 15 s, and leaves coming back to `subscribeWithResume`, which knows the cursor. Throws a TypeError if a URL is none, or none is given.
 */
export function createGroveClient({ url, key, webSocketImpl }: GroveClientOptions): Client {
  const urls = (typeof url === 'string' ? [url] : url).map(socketUrl);
  const [first] = urls;
  if (first === undefined) throw new TypeError('There is no URL to connect to.');
  let turn = 0;
  let unanswered: ReturnType<typeof setTimeout> | undefined;
  const client = createClient({
    url: () => urls[turn % urls.length] ?? first,
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
      closed: (event) => {
        clearTimeout(unanswered);
        if ((event as { code?: number }).code !== CLOSED_BY_US) turn += 1;
      },
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
