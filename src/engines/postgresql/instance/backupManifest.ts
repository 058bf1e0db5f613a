import { createHash } from 'node:crypto';

/** A file of a base backup as it was received, with the checksum that the manifest has. In hexadecimal digits. */
export type ReceivedFile = { bytes: number; sha256?: string; crc32c?: string };

type ListedFile = {
  Path?: string;
  'Encoded-Path'?: string;
  Size: number;
  'Checksum-Algorithm'?: string;
  Checksum?: string;
};

type Manifest = { Files: ListedFile[] };

/**
 * Compares what was received with the backup manifest, which the server makes of what it read. Answers with the first
 * difference in words. Null: every file is there and whole.
 */
export function manifestDifference(manifest: Buffer, received: ReadonlyMap<string, ReceivedFile>): string | null {
  const fault = manifestFault(manifest);
  if (fault !== null) return fault;
  const { Files: files } = JSON.parse(manifest.toString('utf8')) as Manifest;
  const listed = new Set<string>();
  for (const file of files) {
    const path = file.Path ?? Buffer.from(file['Encoded-Path'] ?? '', 'hex').toString('latin1');
    listed.add(path);
    const got = received.get(path);
    if (!got) return `${path} is missing`;
    if (got.bytes !== file.Size) return `${path} has ${got.bytes} bytes instead of ${file.Size}`;
    if (!hasChecksum(file, got)) return `${path} is damaged`;
  }
  // The write-ahead log has checksums of its own, and is in no manifest.
  const surplus = [...received.keys()].find((path) => !listed.has(path) && !path.startsWith('pg_wal/'));
  return surplus === undefined ? null : `${surplus} does not belong to it`;
}

/** Without a checksum in the manifest there is nothing to compare; with one of another kind than was taken, nothing is known. */
function hasChecksum({ 'Checksum-Algorithm': algorithm, Checksum }: ListedFile, got: ReceivedFile): boolean {
  switch (algorithm) {
    case undefined:
      return true;
    case 'SHA256':
      return Checksum === got.sha256;
    case 'CRC32C':
      return Checksum === got.crc32c;
    default:
      return false;
  }
}

/** The manifest's last line holds the checksum of all before it. */
function manifestFault(manifest: Buffer): string | null {
  const border = manifest.lastIndexOf('\n', manifest.length - 2) + 1;
  const expected = /"Manifest-Checksum": "([0-9a-f]{64})"/.exec(manifest.subarray(border).toString('utf8'))?.[1];
  if (expected === undefined) return 'its manifest is incomplete';
  const actual = createHash('sha256').update(manifest.subarray(0, border)).digest('hex');
  return actual === expected ? null : 'its manifest is damaged';
}
