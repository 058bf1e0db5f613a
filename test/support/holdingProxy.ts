import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, type Readable } from 'node:stream';
import { onTestFinished } from 'vitest';

/** A way to an HTTP server on which what is written can be held up. */
export type HoldingProxy = {
  url: string;
  /** From now on no PUT passes, nor is it answered. */
  hold(): void;
  /** What was held and is still wanted passes, and all that comes. */
  release(): void;
  /** Paths of the PUTs that are held now. */
  held(): string[];
};

/** Ends with the test. */
export async function holdingProxy(target: string): Promise<HoldingProxy> {
  const waiting = new Map<IncomingMessage, () => void>();
  let holds = false;
  const server = createServer((incoming, answer) => {
    if (!holds || incoming.method !== 'PUT') return pass(target, incoming, answer);
    // Read meanwhile: otherwise nothing would tell that whoever sends it has given up.
    const body = incoming.pipe(new PassThrough({ highWaterMark: Number.MAX_SAFE_INTEGER }));
    waiting.set(incoming, () => pass(target, incoming, answer, body));
    answer.once('close', () => waiting.delete(incoming));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hold() {
      holds = true;
    },
    release() {
      holds = false;
      for (const go of waiting.values()) go();
      waiting.clear();
    },
    held: () => [...waiting.keys()].map(({ url = '' }) => url),
  };
}

function pass(target: string, incoming: IncomingMessage, answer: ServerResponse, body: Readable = incoming): void {
  const { method, headers, url } = incoming;
  const onward = request(new URL(url ?? '/', target), { method, headers }, (response) => {
    answer.writeHead(response.statusCode ?? 502, response.headers);
    response.pipe(answer);
  });
  onward.on('error', () => answer.destroy());
  answer.on('close', () => onward.destroy());
  body.pipe(onward);
}
