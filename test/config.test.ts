import { describe, expect, test } from 'vitest';
import { StartupError } from '#lib/faults/startupError.ts';
import { loadConfig } from '../src/config.ts';

const bucket = {
  GROVE_BACKUP_S3_BUCKET: 'backups',
  GROVE_BACKUP_S3_ACCESS_KEY_ID: 'id',
  GROVE_BACKUP_S3_SECRET_ACCESS_KEY: 'the secret itself',
};
const storeOf = (environment: Record<string, string>) => loadConfig(environment, '/srv').backupStore;

describe('the backup store', () => {
  test('is a directory of the data directory unless something else is said', () => {
    expect(storeOf({})).toBe(null);
    expect(storeOf({ GROVE_BACKUP_DIRECTORY: '', GROVE_BACKUP_S3_BUCKET: '' })).toBe(null);
    expect(storeOf({ GROVE_BACKUP_DIRECTORY: 'kept' })).toEqual({
      place: { kind: 'DIRECTORY', path: '/srv/kept' },
      credentials: null,
    });
  });

  test('is a bucket where one is named', () => {
    const place = { GROVE_BACKUP_S3_PREFIX: 'grove/x', GROVE_BACKUP_S3_ENDPOINT: 'https://s3.example.org' };
    expect(storeOf({ ...bucket, ...place })).toEqual({
      place: {
        kind: 'S3',
        bucket: 'backups',
        prefix: 'grove/x/',
        region: 'us-east-1',
        endpoint: 'https://s3.example.org',
      },
      credentials: { accessKeyId: 'id', secretAccessKey: 'the secret itself' },
    });
  });

  test.each([
    [{ ...bucket, GROVE_BACKUP_DIRECTORY: '/x' }, /both GROVE_BACKUP_DIRECTORY and GROVE_BACKUP_S3_BUCKET/],
    [{ ...bucket, GROVE_BACKUP_S3_ACCESS_KEY_ID: '' }, /needs GROVE_BACKUP_S3_ACCESS_KEY_ID/],
    [{ ...bucket, GROVE_BACKUP_S3_BUCKET: '' }, /without GROVE_BACKUP_S3_BUCKET/],
    [{ ...bucket, GROVE_BACKUP_S3_BUCKET: 'No Bucket' }, /GROVE_BACKUP_S3_BUCKET must be the name of a bucket/],
    [{ ...bucket, GROVE_BACKUP_S3_ENDPOINT: 'localhost' }, /GROVE_BACKUP_S3_ENDPOINT must be a URL/],
    [{ ...bucket, GROVE_BACKUP_S3_PREFIX: '/x' }, /GROVE_BACKUP_S3_PREFIX must be names joined/],
  ])('is refused with the way out: %j', (environment, words) => {
    const load = () => storeOf(environment);
    expect(load).toThrow(StartupError);
    expect(load).toThrow(words);
    expect(load).not.toThrow('the secret itself');
  });
});

const retentionOf = (text: string) => loadConfig({ GROVE_EVENT_RETENTION_DAYS: text }, '/').eventRetention;

describe('GROVE_EVENT_RETENTION_DAYS', () => {
  test.each([
    ['', { days: 7, daysByProject: {} }],
    ['30', { days: 30, daysByProject: {} }],
    ['0.5', { days: 0.5, daysByProject: {} }],
    ['7,billing=30, shop = 1.5 ', { days: 7, daysByProject: { billing: 30, shop: 1.5 } }],
  ])('"%s" is understood', (text, expected) => {
    expect(retentionOf(text)).toEqual(expected);
  });

  test.each(['0', '-1', 'a week', '7,billing', '7,=3', '7,billing=0', '7,', 'billing=3', '7 days', 'Infinity'])(
    '"%s" is refused',
    (text) => {
      expect(() => retentionOf(text)).toThrow(/GROVE_EVENT_RETENTION_DAYS must be a number of days/);
    },
  );
});

describe('GROVE_WEBHOOK_ALLOW_PRIVATE', () => {
  const networksOf = (text: string) => loadConfig({ GROVE_WEBHOOK_ALLOW_PRIVATE: text }, '/').webhookNetworks;

  test('takes networks', () => {
    expect(networksOf('10.0.0.0/8, FD00::/8')).toEqual(['10.0.0.0/8', 'fd00::/8']);
  });

  test.each(['010.0.0.0/8', '0xa.0.0.0/8', '167772160/8', '10.1.0/16', '10.0.0.0/8,10.1/16'])('refuses %s', (text) => {
    expect(() => networksOf(text)).toThrow(StartupError);
  });
});
