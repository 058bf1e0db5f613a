import { createHash } from 'node:crypto';

/** What tells one content from any other. */
export type Fingerprint = { bytes: number; sha256: string };

/** Passes content on and takes its fingerprint, which is there once the content has ended. */
export function fingerprinted(content: AsyncIterable<Uint8Array>): {
  content: AsyncIterable<Uint8Array>;
  fingerprint(): Fingerprint;
} {
  const hash = createHash('sha256');
  let bytes = 0;
  async function* pass() {
    for await (const chunk of content) {
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
  }
  return { content: pass(), fingerprint: () => ({ bytes, sha256: hash.digest('hex') }) };
}

/** Reads content to its end. */
export async function fingerprintOf(content: AsyncIterable<Uint8Array>): Promise<Fingerprint> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of content) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}
