import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A way to a server on this host that can be cut. */
export type CuttingProxy = {
  /** http. */
  url: string;
  /** Ends every connection in the middle of whatever it carries. */
  cut(): void;
  /** As `cut`, and nobody is let in from now on. */
  close(): void;
  /** From now on nothing passes in either direction, and nobody is told. New connections pass. */
  freeze(): void;
  /** How many connections were made. */
  connections(): number;
};

/** Ends with the test. */
export async function cuttingProxy(target: string): Promise<CuttingProxy> {
  const port = Number(new URL(target).port);
  const pairs = new Set<Socket[]>();
  let made = 0;
  const server = createServer((client) => {
    made += 1;
    const onward = connect(port, '127.0.0.1');
    const pair = [client, onward];
    pairs.add(pair);
    client.pipe(onward).pipe(client);
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => {
        pairs.delete(pair);
        for (const end of pair) end.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy();
  };
  const close = () => {
    server.close();
    cut();
  };
  onTestFinished(close);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    close,
    freeze() {
      for (const [client, onward] of pairs) {
        client?.unpipe(onward).pause();
        onward?.unpipe(client).pause();
      }
    },
    connections: () => made,
  };
}
