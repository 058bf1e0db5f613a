import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { authenticate } from '#auth/authenticate.ts';
import { bearerToken } from '#auth/bearerToken.ts';
import { createApiKey } from '#auth/createApiKey.ts';
import { ensureDefaultProject } from '#auth/ensureDefaultProject.ts';
import { revokeApiKey } from '#auth/revokeApiKey.ts';
import type { Actor } from '#domain/actor.ts';
import { ForbiddenError, InvalidInputError, NotFoundError } from '#domain/errors.ts';
import { createInProcessBus } from '#events/inProcessBus.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

let store: TestDatabase;
beforeAll(async () => {
  store = await createTestDatabase();
});
afterAll(() => store.close());

const start = new Date('2026-01-01T00:00:00Z');

/** A project of its own, a clock that the test holds, and an ADMIN. */
async function createWorld() {
  const project = await store.db.project.create({ data: { name: crypto.randomUUID() } });
  const time = { now: start };
  const deps = { db: store.db, bus: createInProcessBus(), clock: { now: () => time.now } };
  const maker: Actor = { kind: 'SYSTEM', projectId: project.id, name: 'test' };
  const { plain, apiKeyId } = await createApiKey(deps, maker, { name: 'admin', role: 'ADMIN', expiresAt: null });
  const admin: Actor = { kind: 'API_KEY', projectId: project.id, keyId: apiKeyId, name: 'admin', role: 'ADMIN' };
  return { projectId: project.id, deps, time, admin, plain };
}

describe('authenticate', () => {
  test('a key stands for its project and role', async () => {
    const { deps, admin, plain } = await createWorld();
    expect(plain).toMatch(/^grv_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
    expect(await authenticate(deps, plain)).toEqual(admin);
  });

  test('only a hash of the secret is stored', async () => {
    const { deps, projectId, plain } = await createWorld();
    const rows = await deps.db.apiKey.findMany({ where: { projectId } });
    const events = await deps.db.event.findMany({ where: { projectId } });
    const secret = plain.split('_').slice(2).join('_');
    const stored = JSON.stringify([rows, events], (_key, value) => (typeof value === 'bigint' ? `${value}` : value));
    expect(stored).toContain(plain.split('_')[1]);
    expect(stored).not.toContain(secret);
  });

  test('what is not a key of ours is nobody', async () => {
    const { deps, plain } = await createWorld();
    const other = (await createWorld()).plain;
    const [, publicId = ''] = plain.split('_');
    const wrongSecret = `grv_${publicId}_${other.split('_').slice(2).join('_')}`;
    const unknown = `grv_${'0'.repeat(16)}_${plain.slice(21)}`;
    const flipped = plain.slice(0, -2) + (plain.at(-2) === 'A' ? 'B' : 'A') + plain.slice(-1);
    for (const bearer of [
      null,
      '',
      'grv_',
      'x',
      wrongSecret,
      unknown,
      flipped,
      `${plain}x`,
      ` ${plain}`,
      plain.toUpperCase(),
      '\0',
    ]) {
      expect(await authenticate(deps, bearer)).toBe(null);
    }
  });

  test('a key works until it expires', async () => {
    const { deps, time, admin } = await createWorld();
    const expiresAt = new Date(start.getTime() + 60_000);
    const { plain } = await createApiKey(deps, admin, { name: 'short', role: 'VIEWER', expiresAt });
    time.now = new Date(expiresAt.getTime() - 1);
    expect(await authenticate(deps, plain)).toMatchObject({ name: 'short', role: 'VIEWER' });
    time.now = expiresAt;
    expect(await authenticate(deps, plain)).toBe(null);
  });

  test('a revoked key is nobody at once, and who waits for revocations is woken', async () => {
    const { deps, admin } = await createWorld();
    const { plain, apiKeyId } = await createApiKey(deps, admin, { name: 'gone', role: 'OPERATOR', expiresAt: null });
    let woken = 0;
    deps.bus.subscribe('keys', () => {
      woken += 1;
    });
    await revokeApiKey(deps, admin, { apiKeyId });
    await revokeApiKey(deps, admin, { apiKeyId });
    expect(await authenticate(deps, plain)).toBe(null);
    await expect.poll(() => woken).toBe(1);
  });
});

describe('making and revoking keys', () => {
  test('each is an event that holds no secret', async () => {
    const { deps, admin, projectId } = await createWorld();
    const { apiKeyId } = await createApiKey(deps, admin, { name: ' ci ', role: 'OPERATOR', expiresAt: null });
    await revokeApiKey(deps, admin, { apiKeyId });
    const events = await deps.db.event.findMany({ where: { projectId }, orderBy: { seq: 'asc' } });
    const publicId = expect.stringMatching(/^[0-9a-f]{16}$/);
    expect(events.map(({ type, payload, actor }) => ({ type, payload, actor }))).toEqual([
      {
        type: 'API_KEY_CREATED',
        payload: { name: 'admin', role: 'ADMIN', publicId },
        actor: { kind: 'SYSTEM', projectId, name: 'test' },
      },
      { type: 'API_KEY_CREATED', payload: { name: 'ci', role: 'OPERATOR', publicId }, actor: admin },
      { type: 'API_KEY_REVOKED', payload: { name: 'ci', role: 'OPERATOR', publicId }, actor: admin },
    ]);
  });

  test.each([
    ['name', { name: ' ', role: 'VIEWER', expiresAt: null }],
    ['name', { name: 'x'.repeat(101), role: 'VIEWER', expiresAt: null }],
    ['name', { name: 'a\0', role: 'VIEWER', expiresAt: null }],
    ['role', { name: 'a', role: 'ROOT', expiresAt: null }],
    ['expiresAt', { name: 'a', role: 'VIEWER', expiresAt: start }],
  ])('a faulty %s is refused and leaves nothing behind', async (path, input) => {
    const { deps, admin, projectId } = await createWorld();
    await expect(createApiKey(deps, admin, input)).rejects.toMatchObject({ code: 'INVALID_INPUT', fields: [{ path }] });
    expect(await deps.db.apiKey.count({ where: { projectId } })).toBe(1);
  });

  test('only an ADMIN may', async () => {
    const { deps, admin } = await createWorld();
    for (const role of ['VIEWER', 'OPERATOR'] as const) {
      const actor: Actor = { ...admin, role };
      await expect(createApiKey(deps, actor, { name: 'a', role: 'VIEWER', expiresAt: null })).rejects.toThrow(
        ForbiddenError,
      );
      await expect(revokeApiKey(deps, actor, { apiKeyId: crypto.randomUUID() })).rejects.toThrow(ForbiddenError);
    }
  });

  test('a key of another project is not found', async () => {
    const { deps, admin } = await createWorld();
    const other = (await createWorld()).admin;
    const apiKeyId = other.kind === 'API_KEY' ? other.keyId : '';
    await expect(revokeApiKey(deps, admin, { apiKeyId })).rejects.toThrow(NotFoundError);
  });

  test('of the last two ADMIN keys only one can be revoked, even at the same time', async () => {
    const { deps, admin, projectId } = await createWorld();
    const second = await createApiKey(deps, admin, { name: 'second', role: 'ADMIN', expiresAt: null });
    const firstId = admin.kind === 'API_KEY' ? admin.keyId : '';
    const results = await Promise.allSettled([
      revokeApiKey(deps, admin, { apiKeyId: second.apiKeyId }),
      revokeApiKey(deps, admin, { apiKeyId: firstId }),
    ]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const refused = results.find((result) => result.status === 'rejected');
    expect(refused?.reason).toBeInstanceOf(InvalidInputError);
    expect(await deps.db.apiKey.count({ where: { projectId, revokedAt: null } })).toBe(1);
  });
});

describe('ensureDefaultProject', () => {
  test('an empty store gets one project and one ADMIN key, kept before it counts, however many processes start at once', async () => {
    const empty = await createTestDatabase();
    try {
      const keys: string[] = [];
      const keep = async (key: string) => void keys.push(key);
      const unwritable = async () => {
        throw new Error('no space left');
      };
      await expect(ensureDefaultProject(empty.db, unwritable)).rejects.toThrow('no space left');
      expect(await empty.db.apiKey.count()).toBe(0);
      await Promise.all(Array.from({ length: 4 }, () => ensureDefaultProject(empty.db, keep)));
      expect(keys).toHaveLength(1);
      const { id: projectId } = await empty.db.project.findFirstOrThrow();
      const actor = await authenticate({ db: empty.db, clock: { now: () => new Date() } }, keys[0] ?? null);
      expect(actor).toMatchObject({ role: 'ADMIN', name: 'first admin', projectId });
      await ensureDefaultProject(empty.db, keep);
      expect(keys).toHaveLength(1);
    } finally {
      await empty.close();
    }
  });
});

test.each([
  ['Bearer grv_a_b', 'grv_a_b'],
  ['bearer   grv_a_b ', 'grv_a_b'],
  ['Basic grv_a_b', null],
  ['grv_a_b', null],
  ['Bearer ', null],
  ['Bearer a b', null],
  ['', null],
  [undefined, null],
  [null, null],
])('the token in %j is %j', (header, token) => {
  expect(bearerToken(header)).toBe(token);
});
