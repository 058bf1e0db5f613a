import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StartupError } from '#lib/faults/startupError.ts';
import { freePort } from '#lib/host/freePort.ts';
import { createLogger } from '#lib/log/logger.ts';
import { openStore } from '#store/openStore.ts';
import { createEmptyTestDatabase } from '../support/postgres.ts';

const logger = createLogger({ level: 'silent', pretty: false });

function open(databaseUrl: string | null) {
  return openStore({ databaseUrl, dataDirectory: '/nonexistent', binDirectory: null, serverUser: null, logger });
}

describe('openStore', () => {
  test('migrates the operator’s database and gives it an identity that stays', async () => {
    const { url, close } = await createEmptyTestDatabase();
    onTestFinished(close);
    const first = await open(url);
    const identity = await first.db.storeIdentity.findFirstOrThrow();
    await first.close();
    const second = await open(url);
    expect(await second.db.storeIdentity.findMany()).toEqual([identity]);
    await second.close();
  });

  test('opened by several processes at once it has one identity', async () => {
    const { url, db, close } = await createEmptyTestDatabase();
    onTestFinished(close);
    const stores = await Promise.all(Array.from({ length: 4 }, () => open(url)));
    expect(await db.storeIdentity.count()).toBe(1);
    for (const store of stores) await store.close();
  });

  test('says which server cannot be reached, and keeps the password to itself', async () => {
    const port = await freePort();
    await expect(open(`postgresql://grove:hidden@127.0.0.1:${port}/store`)).rejects.toThrow(
      new StartupError(
        `The store 127.0.0.1:${port}/store cannot be reached (connect ECONNREFUSED 127.0.0.1:${port}): check DATABASE_URL.`,
      ),
    );
  });

  test('gives up on a server that does not answer', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void silent.close());
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    await expect(open(`postgresql://grove:hidden@127.0.0.1:${port}/store`)).rejects.toThrow(
      `The store 127.0.0.1:${port}/store cannot be reached (`,
    );
  });

  test('says when the database cannot hold every text, or lets nobody make tables', async () => {
    const { url, db, close } = await createEmptyTestDatabase();
    onTestFinished(close);
    const name = `latin_${crypto.randomUUID()}`;
    await db.$executeRawUnsafe(
      `CREATE DATABASE "${name}" ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0 LOCALE_PROVIDER libc`,
    );
    onTestFinished(async () => void (await db.$executeRawUnsafe(`DROP DATABASE "${name}"`)));
    const latin = new URL(url);
    latin.pathname = name;
    await expect(open(latin.href)).rejects.toThrow("Grove needs a database with ENCODING 'UTF8'");
    const role = `guest_${crypto.randomUUID()}`;
    await db.$executeRawUnsafe(`CREATE ROLE "${role}" LOGIN PASSWORD 'guest'`);
    onTestFinished(async () => void (await db.$executeRawUnsafe(`DROP ROLE "${role}"`)));
    const guest = new URL(url);
    guest.username = role;
    guest.password = 'guest';
    await expect(open(guest.href)).rejects.toThrow(`does not let user "${role}" make tables`);
  });

  test('says when the password or the database is wrong', async () => {
    const { url, close } = await createEmptyTestDatabase();
    onTestFinished(close);
    const wrong = new URL(url);
    wrong.password = 'hidden';
    await expect(open(wrong.href)).rejects.toThrow(
      `The store ${wrong.host}${wrong.pathname} refuses user "grove": check the user and password in DATABASE_URL.`,
    );
    const absent = new URL(url);
    absent.pathname = 'absent';
    await expect(open(absent.href)).rejects.toThrow(
      `The store ${absent.host}/absent does not exist: create the database, or check DATABASE_URL.`,
    );
  });

  test('says what to do where Grove comes with no PostgreSQL', async () => {
    await expect(open(null)).rejects.toThrow(/^Grove comes with no PostgreSQL for .* Set DATABASE_URL/);
  });
});
