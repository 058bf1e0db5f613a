import WebSocket from 'ws';

/** What to subscribe to, as JSON in the first argument. */
export type Subscribing = {
  url: string;
  count: number;
  payload: Record<string, unknown>;
  query: string;
  variables: object;
};

/**
 * A program of its own: so many connections with one subscription each. It tells its parent `ready` when all are signed in and their
 * subscriptions were read, and on `report` when each of them heard of each label (`bench-1` and so on), in milliseconds since 1970.
 */
export type SubscribersReport = Record<string, number[]>;

const { url, count, payload, query, variables } = JSON.parse(process.argv[2] ?? '') as Subscribing;
const heard: SubscribersReport = {};

function note(label: string, at: number): void {
  const times = heard[label] ?? [];
  heard[label] = times;
  times.push(at);
}

function subscribe(): Promise<void> {
  const socket = new WebSocket(url, 'graphql-transport-ws', { perMessageDeflate: false });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const say = (message: object) => socket.send(JSON.stringify(message));
  socket.on('open', () => say({ type: 'connection_init', payload }));
  socket.on('error', reject);
  socket.on('close', (code) => reject(new Error(`closed with ${code}`)));
  socket.on('message', (message: Buffer) => {
    const at = performance.timeOrigin + performance.now();
    const text = message.toString('latin1');
    if (text.includes('"connection_ack"')) {
      say({ type: 'subscribe', id: '1', payload: { query, variables } });
      // Answered when the subscription was read; it may begin a little later.
      say({ type: 'ping' });
    } else if (text.includes('"pong"')) resolve();
    else if (text.includes('"error')) reject(new Error(text));
    else for (const [label] of text.matchAll(/bench-\d+/g)) note(label, at);
  });
  return promise;
}

const atOnce = 50;
for (let begun = 0; begun < count; begun += atOnce) {
  await Promise.all(Array.from({ length: Math.min(atOnce, count - begun) }, subscribe));
}
process.send?.('ready');
process.on('message', () => process.send?.(heard));
process.on('disconnect', () => process.exit());
