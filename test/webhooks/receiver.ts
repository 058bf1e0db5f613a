import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished, vi } from 'vitest';

export type SentEvent = {
  cursor: string;
  type: string;
  toStatus: string | null;
  clusterId: string | null;
  payload: Record<string, unknown>;
};

/** One request, as it came. */
export type Received = {
  headers: Record<string, string>;
  body: string;
  data: { cursor: string; events: SentEvent[]; skipped?: { reason: string; oldestCursor: string } };
  at: number;
  path: string;
};

/** How a request is answered: a status, or by hand. */
export type Answer = number | ((response: ServerResponse, received: Received) => void | Promise<void>);

/** A real HTTP server on loopback that notes what it is sent. It ends with the test. */
export async function startReceiver(answer: (received: Received, count: number) => Answer = () => 204) {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    void read(request).then(async (message) => {
      received.push(message);
      const how = answer(message, received.length);
      if (typeof how === 'number') response.writeHead(how).end(how >= 300 ? 'no, thank you' : '');
      else await how(response, message);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const labels = () => received.flatMap(({ data }) => data.events.map(({ toStatus }) => toStatus));
  return {
    url: `http://127.0.0.1:${port}/hooks`,
    port,
    received,
    /** `toStatus` of every event that came, in order, repeated ones too. */
    labels,
    async until(isEnough: (received: Received[]) => boolean, withinMs = 10_000): Promise<Received[]> {
      await vi.waitFor(() => check(isEnough(received), labels()), { timeout: withinMs, interval: 5 });
      return received;
    },
    async untilLabel(label: string, withinMs = 10_000): Promise<void> {
      await vi.waitFor(() => check(labels().includes(label), labels()), { timeout: withinMs, interval: 5 });
    },
  };
}
export type Receiver = Awaited<ReturnType<typeof startReceiver>>;

function check(met: boolean, labels: readonly (string | null)[]): void {
  if (!met) throw new Error(`not met; received so far: ${labels.slice(-20).join(' ')} (${labels.length})`);
}

async function read(request: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString();
  const { data } = JSON.parse(body) as { data: Received['data'] };
  const headers = request.headers as Record<string, string>;
  return { headers, body, data, at: performance.now(), path: request.url ?? '' };
}
