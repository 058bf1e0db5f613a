import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createDatabase } from '#store/database.ts';
import { isStoreUnavailable } from '#store/storeUnavailable.ts';
import { cuttableDatabase } from '../support/cuttableDatabase.ts';
import { createTestDatabase } from '../support/postgres.ts';

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

describe('a connection over which nothing is heard any more', () => {
  const lost = expect.toSatisfy(isStoreUnavailable);

  /** One connection: as long as it is held, nobody else is served. */
  async function oneConnection() {
    const store = await createTestDatabase();
    onTestFinished(() => store.close());
    return cuttableDatabase(store.url, { poolSize: 1, silenceMs: 500 });
  }

  test('is given up, and the next query goes over another', async () => {
    const { db, way } = await oneConnection();
    await db.$queryRaw`SELECT 1`;
    way.freeze();
    await expect(db.$queryRaw`SELECT 1`).rejects.toEqual(lost);
    await expect(db.$queryRaw`SELECT 1 AS one`).resolves.toEqual([{ one: 1 }]);
  });

  test('is given up in the middle of a transaction, too', async () => {
    const { db, way } = await oneConnection();
    const work = db.$transaction(async (tx) => {
      await tx.$queryRaw`SELECT 1`;
      way.freeze();
      await tx.$queryRaw`SELECT 2`;
    });
    await expect(work).rejects.toEqual(lost);
    await expect(db.$queryRaw`SELECT 1 AS one`).resolves.toEqual([{ one: 1 }]);
  });

  test('is not waited for where it is to be made, nor behind others', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    onTestFinished(() => void silent.close());
    const url = `postgresql://grove@127.0.0.1:${(silent.address() as AddressInfo).port}/grove`;
    const db = createDatabase(url, { poolSize: 1, silenceMs: 500 });
    onTestFinished(() => db.$disconnect());
    const asked = [1, 2, 3].map(() => db.$queryRaw`SELECT 1`.catch((error: unknown) => error));
    expect(await Promise.all(asked)).toEqual([lost, lost, lost]);
  });
});
