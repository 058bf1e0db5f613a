import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '#store/database.ts';

const message = (type: string, body: Buffer) => {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
};

/** Lets everybody in, and dies before the first query: both are told in one go. */
async function dyingServer(): Promise<string> {
  const authenticationOk = message('R', Buffer.alloc(4));
  const readyForQuery = message('Z', Buffer.from('I'));
  const fields = ['SFATAL', 'VFATAL', 'C57P01', 'Mterminating connection due to unexpected postmaster exit'];
  const error = message('E', Buffer.from(`${fields.map((field) => `${field}\0`).join('')}\0`));
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(Buffer.concat([authenticationOk, readyForQuery, error])));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `postgresql://grove@127.0.0.1:${(server.address() as AddressInfo).port}/grove`;
}

test('a server that dies while it lets somebody in fails the query and the transaction, and nothing else', async () => {
  const db = createDatabase(await dyingServer());
  onTestFinished(() => db.$disconnect());
  await expect(db.$queryRaw`SELECT 1`).rejects.toThrow();
  await expect(db.$transaction((tx) => tx.$queryRaw`SELECT 1`)).rejects.toThrow();
});
