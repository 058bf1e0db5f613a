import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { manifestDifference } from '#engines/postgresql/instance/backupManifest.ts';
import { quickChecksums } from '#engines/postgresql/instance/checksums.ts';

const content = Buffer.from('fifteen');
const sha256 = createHash('sha256').update(content).digest('hex');
const whole = new Map([['PG_VERSION', { bytes: content.length, sha256 }]]);

test('a backup that is as its manifest says has no difference', () => {
  expect(manifestDifference(manifest(), whole)).toBeNull();
});

test.each([
  ['PG_VERSION is missing', new Map()],
  ['PG_VERSION has 3 bytes instead of 7', new Map([['PG_VERSION', { bytes: 3, sha256 }]])],
  ['PG_VERSION is damaged', new Map([['PG_VERSION', { bytes: content.length, sha256: 'other' }]])],
  ['base/1/2 does not belong to it', new Map([...whole, ['base/1/2', { bytes: 0, sha256 }]])],
])('says that %s', (difference, received) => {
  expect(manifestDifference(manifest(), received)).toBe(difference);
});

test('compares whichever checksum the manifest has, and trusts none that it cannot compare', async () => {
  const { begin } = await quickChecksums();
  const checksum = begin();
  checksum.update(content.subarray(0, 3));
  checksum.update(content.subarray(3));
  const { crc32c = '' } = checksum.digest();
  const received = new Map([['PG_VERSION', { bytes: content.length, crc32c }]]);
  expect(manifestDifference(manifest('CRC32C', crc32c), received)).toBeNull();
  expect(manifestDifference(manifest('CRC32C', '00000000'), received)).toBe('PG_VERSION is damaged');
  expect(manifestDifference(manifest('SHA256', sha256), received)).toBe('PG_VERSION is damaged');
  expect(manifestDifference(manifest('SHA999', sha256), whole)).toBe('PG_VERSION is damaged');
});

test('CRC-32C is as the standard has it, in the order in which PostgreSQL writes it', async () => {
  const checksum = (await quickChecksums()).begin();
  checksum.update(Buffer.from('123456789'));
  expect(checksum.digest()).toEqual({ crc32c: '839206e3' });
});

test('says that the manifest itself is damaged or incomplete', () => {
  const text = manifest().toString();
  expect(manifestDifference(Buffer.from(text.replace('PG_VERSION', 'PG_VERSIOM')), whole)).toBe(
    'its manifest is damaged',
  );
  expect(manifestDifference(Buffer.from(text.slice(0, 60)), whole)).toBe('its manifest is incomplete');
  expect(manifestDifference(Buffer.alloc(0), whole)).toBe('its manifest is incomplete');
});

function manifest(algorithm = 'SHA256', checksumOfFile = sha256): Buffer {
  const file = { Path: 'PG_VERSION', Size: content.length, 'Checksum-Algorithm': algorithm, Checksum: checksumOfFile };
  const body = `{ "PostgreSQL-Backup-Manifest-Version": 1,\n"Files": [\n${JSON.stringify(file)}\n],\n`;
  const checksum = createHash('sha256').update(body).digest('hex');
  return Buffer.from(`${body}"Manifest-Checksum": "${checksum}"}\n`);
}
