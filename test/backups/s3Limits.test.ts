import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { createS3Store } from '#backups/s3Store.ts';

const mebibyte = 1024 * 1024;
const credentials = { accessKeyId: 'A', secretAccessKey: 'B' };

async function storeAt(server: Server, idleMs: number) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const place = { kind: 'S3' as const, bucket: 'b', prefix: '', region: 'eu-central-1', endpoint };
  return createS3Store(place, credentials, { connectMs: 1000, idleMs });
}

test.each(['list', 'removeAll', 'stat'] as const)('a service that answers nothing is given up by %s', async (call) => {
  let connections = 0;
  const store = await storeAt(
    createServer(() => {
      connections += 1;
    }),
    100,
  );
  await expect(store[call]('c/one')).rejects.toMatchObject({
    name: 'Error',
    retryable: true,
    message: expect.stringMatching(/^The backup store refused c\/one: TimeoutError, .+100 ms of inactivity/),
  });
  expect(connections).toBeGreaterThan(0);
});

test('content that stops in the middle is given up', async () => {
  const store = await storeAt(
    createHttpServer((_request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('the beginning');
    }),
    100,
  );
  const read = async () => {
    let text = '';
    for await (const chunk of store.read('c/one')) text += Buffer.from(chunk).toString();
    return text;
  };
  await expect(read()).rejects.toMatchObject({ retryable: true });
});

test('an upload that takes longer than the limit goes on while it moves', async () => {
  const idleMs = 1500;
  const whole = 48 * mebibyte;
  let stored = 0;
  const store = await storeAt(
    createHttpServer(async (request, response) => {
      for await (const chunk of request) {
        stored += (chunk as Buffer).length;
        // A line that is slow: so much of a MiB as has come takes so much of 80 ms.
        await delay(((chunk as Buffer).length / mebibyte) * 80);
      }
      response.setHeader('etag', '"one"').end();
    }),
    idleMs,
  );
  async function* content() {
    for (let sent = 0; sent < whole; sent += mebibyte) yield Buffer.alloc(mebibyte);
  }
  const begun = performance.now();
  // So that it is one part, which is sent by one request.
  await store.write('c/one', content(), { expectedBytes: 500 * 1024 * mebibyte });
  expect(stored).toBe(whole);
  expect(performance.now() - begun).toBeGreaterThan(2 * idleMs);
}, 30_000);
