import { createHash } from 'node:crypto';
import { type Extract, extract } from 'tar-stream';
import type { ReceivedFile } from './backupManifest.ts';

/** Reads a tar archive as it arrives and takes the fingerprint of each file in it; keeps none. */
export function digestArchive(): { input: Extract; digested: Promise<Map<string, ReceivedFile>> } {
  const input = extract();
  return { input, digested: digestEntries(input) };
}

async function digestEntries(input: Extract): Promise<Map<string, ReceivedFile>> {
  const files = new Map<string, ReceivedFile>();
  for await (const entry of input) {
    const { name, type } = entry.header;
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of entry as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
    }
    if (type === 'file') files.set(name, { bytes, sha256: hash.digest('hex') });
  }
  return files;
}
