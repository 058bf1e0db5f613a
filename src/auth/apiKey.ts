import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const prefix = 'grv';
const publicIdBytes = 8;
const secretBytes = 32;
const keyPattern = /^grv_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

/** A key as it is made: `plain` is shown once, the rest is stored. */
export type NewApiKey = { publicId: string; plain: string; secretHash: Uint8Array<ArrayBuffer> };

/** Makes a key of 256 random bits: `grv_<publicId>_<secret>`. */
export function generateApiKey(): NewApiKey {
  const publicId = randomBytes(publicIdBytes).toString('hex');
  const secret = randomBytes(secretBytes).toString('base64url');
  return { publicId, plain: `${prefix}_${publicId}_${secret}`, secretHash: hashSecret(secret) };
}

/** The two parts of a key. Null: it is not one. */
export function parseApiKey(plain: string): { publicId: string; secret: string } | null {
  const [, publicId, secret] = keyPattern.exec(plain) ?? [];
  return publicId === undefined || secret === undefined ? null : { publicId, secret };
}

/** SHA-256 is enough: the secret is random, so there is no dictionary to try. */
function hashSecret(secret: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(createHash('sha256').update(secret).digest());
}

/** Compares in a time that does not depend on where the difference is. */
export function secretMatches(secret: string, secretHash: Uint8Array): boolean {
  return timingSafeEqual(hashSecret(secret), secretHash);
}
