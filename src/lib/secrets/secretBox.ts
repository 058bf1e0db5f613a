import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

const algorithm = 'aes-256-gcm';
const nonceLength = 12;
const tagLength = 16;

/** Encrypts secrets at rest. */
export interface SecretBox {
  /** Which key `seal` uses: the first 16 hex digits of the key's SHA-256. */
  readonly keyId: string;
  seal(plaintext: string): Uint8Array<ArrayBuffer>;
  /** Throws if the key is another one or the ciphertext was changed. */
  open(ciphertext: Uint8Array, keyId: string): string;
}

/** @param key 32 bytes. */
export function createSecretBox(key: Uint8Array): SecretBox {
  const keyId = createHash('sha256').update(key).digest('hex').slice(0, 16);
  return {
    keyId,
    seal(plaintext) {
      const nonce = randomBytes(nonceLength);
      const cipher = createCipheriv(algorithm, key, nonce);
      return new Uint8Array(
        Buffer.concat([nonce, cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()]),
      );
    },
    open(ciphertext, sealedWith) {
      if (sealedWith !== keyId) {
        throw new Error(`A secret is encrypted with key ${sealedWith}, but GROVE_SECRET_KEY is key ${keyId}.`);
      }
      const decipher = createDecipheriv(algorithm, key, ciphertext.subarray(0, nonceLength));
      decipher.setAuthTag(ciphertext.subarray(-tagLength));
      const text = decipher.update(ciphertext.subarray(nonceLength, -tagLength));
      return Buffer.concat([text, decipher.final()]).toString('utf8');
    },
  };
}
