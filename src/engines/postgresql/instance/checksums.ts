import { createHash } from 'node:crypto';
import type { ReceivedFile } from './backupManifest.ts';

/** The checksum of one file, from its content piece by piece. */
export type FileChecksum = { update(chunk: Buffer): void; digest(): Pick<ReceivedFile, 'sha256' | 'crc32c'> };

/** A kind of checksum, by the name that PostgreSQL's backup manifests have for it. */
export type Checksums = { algorithm: 'SHA256' | 'CRC32C'; begin(): FileChecksum };

export const sha256Checksums: Checksums = {
  algorithm: 'SHA256',
  begin() {
    const hash = createHash('sha256');
    return {
      update: (chunk) => void hash.update(chunk),
      digest: () => ({ sha256: hash.digest('hex') }),
    };
  },
};

/**
 * CRC-32C: enough against what a transfer can do to a file, and a tenth of the work on both ends. Node has none of its own; where the
 * package that has it is not there for this platform, SHA-256.
 */
export async function quickChecksums(): Promise<Checksums> {
  const { crc32c } = await import('@node-rs/crc32').catch(() => ({ crc32c: null }));
  if (crc32c === null) return sha256Checksums;
  return {
    algorithm: 'CRC32C',
    begin() {
      let sum = 0;
      return {
        update(chunk) {
          sum = crc32c(chunk, sum);
        },
        digest: () => ({ crc32c: inManifest(sum) }),
      };
    },
  };
}

/** A manifest has the number's bytes as they lie in the server's memory: the least first on every processor that Grove runs on. */
function inManifest(sum: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(sum);
  return bytes.toString('hex');
}
