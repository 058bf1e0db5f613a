import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { authenticate } from '#auth/authenticate.ts';
import { createApiKey } from '#auth/createApiKey.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { createKeyWatch } from '#server/keyWatch.ts';
import type { Database } from '#store/database.ts';
import { cuttableDatabase } from '../support/cuttableDatabase.ts';
import { createTestOperations, type TestOperations } from '../support/operations.ts';

describe('the watch of the keys', () => {
  let operations: TestOperations;
  beforeAll(async () => {
    operations = await createTestOperations({ working: false });
    return () => operations.close();
  });

  /** Watches a key that has been looked at. `end` is the time of its end. */
  async function watched({ lastsMs }: { lastsMs: number | null }) {
    const { db, way } = await cuttableDatabase(operations.url, { silenceMs: 500 });
    const looked = looksOf(db);
    const keyWatch = createKeyWatch({ ...operations.deps, db });
    onTestFinished(() => keyWatch.close());
    const maker = await operations.createActor();
    const expiresAt = lastsMs === null ? null : new Date(Date.now() + lastsMs);
    const { plain, apiKeyId: id } = await createApiKey(operations.deps, maker, {
      name: 'key',
      role: 'VIEWER',
      expiresAt,
    });
    const actor = assertPresent(await authenticate(operations.deps, plain), 'actor');
    const end = new Promise<number>((resolve) => {
      onTestFinished(keyWatch.watch(actor, () => resolve(Date.now())));
    });
    await looked;
    const revoke = () => operations.deps.db.apiKey.update({ where: { id }, data: { revokedAt: new Date() } });
    return { way, end, revoke, expiresAt };
  }

  test('ends what an expired key opened within two seconds, also while the store is away', async () => {
    const { way, end, expiresAt } = await watched({ lastsMs: 3_000 });
    way.close();
    const late = (await end) - assertPresent(expiresAt, 'expiry').getTime();
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThan(2_000);
  });

  test('looks again over another connection where one is silent', async () => {
    const { way, end, revoke } = await watched({ lastsMs: null });
    way.freeze();
    await revoke();
    expect(await end).toBeGreaterThan(0);
  });
});

/** Resolves after the first look at keys. */
function looksOf(db: Database): Promise<void> {
  return new Promise((resolve) => {
    const listener = ({ query }: { query: string }) => {
      if (query.includes('api_key')) resolve();
    };
    (db as unknown as { $on(event: 'query', listener: (query: { query: string }) => void): void }).$on(
      'query',
      listener,
    );
  });
}
