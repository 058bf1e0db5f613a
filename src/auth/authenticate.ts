import type { Actor } from '#domain/actor.ts';
import type { Clock } from '#lib/time/clock.ts';
import type { ReadDatabase } from '#store/database.ts';
import { generateApiKey, parseApiKey, secretMatches } from './apiKey.ts';

type AuthenticateDeps = { db: Pick<ReadDatabase, 'apiKey'>; clock: Clock };

/** Compared with where there is no such key, so that an unknown key takes as long as a wrong secret. */
const nobodysHash = generateApiKey().secretHash;

/**
 * Who a key stands for. Null: no key, a malformed, unknown, expired or revoked one; never told apart. One SQL statement.
 * `bearer` is the key itself, without the word "Bearer".
 */
export async function authenticate({ db, clock }: AuthenticateDeps, bearer: string | null): Promise<Actor | null> {
  const parsed = bearer === null ? null : parseApiKey(bearer);
  if (parsed === null) return null;
  const key = await db.apiKey.findUnique({ where: { publicId: parsed.publicId } });
  const matches = secretMatches(parsed.secret, key?.secretHash ?? nobodysHash);
  if (key === null || !matches || !isInForce(key, clock.now())) return null;
  return { kind: 'API_KEY', projectId: key.projectId, keyId: key.id, name: key.name, role: key.role };
}

type Validity = { expiresAt: Date | null; revokedAt: Date | null };

/** True if the key is neither revoked nor expired. */
export function isInForce({ expiresAt, revokedAt }: Validity, now: Date): boolean {
  return revokedAt === null && (expiresAt === null || now < expiresAt);
}
