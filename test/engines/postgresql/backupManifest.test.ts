import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { manifestDifference } from '#engines/postgresql/instance/backupManifest.ts';

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

test('says that the manifest itself is damaged or incomplete', () => {
  const text = manifest().toString();
  expect(manifestDifference(Buffer.from(text.replace('PG_VERSION', 'PG_VERSIOM')), whole)).toBe(
    'its manifest is damaged',
  );
  expect(manifestDifference(Buffer.from(text.slice(0, 60)), whole)).toBe('its manifest is incomplete');
  expect(manifestDifference(Buffer.alloc(0), whole)).toBe('its manifest is incomplete');
});

function manifest(): Buffer {
  const file = { Path: 'PG_VERSION', Size: content.length, 'Checksum-Algorithm': 'SHA256', Checksum: sha256 };
  const body = `{ "PostgreSQL-Backup-Manifest-Version": 1,\n"Files": [\n${JSON.stringify(file)}\n],\n`;
  const checksum = createHash('sha256').update(body).digest('hex');
  return Buffer.from(`${body}"Manifest-Checksum": "${checksum}"}\n`);
}
