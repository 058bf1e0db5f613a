import { describe, expect, test } from 'vitest';
import { StartupError } from '#lib/startupError.ts';
import { loadConfig } from '../src/config.ts';

const bucket = {
  GROVE_BACKUP_S3_BUCKET: 'backups',
  GROVE_BACKUP_S3_ACCESS_KEY_ID: 'id',
  GROVE_BACKUP_S3_SECRET_ACCESS_KEY: 'the secret itself',
};
const storeOf = (environment: Record<string, string>) => loadConfig(environment, '/work').backupStore;

describe('the backup store', () => {
  test('is a directory of the data directory unless something else is said', () => {
    expect(storeOf({})).toBe(null);
    expect(storeOf({ GROVE_BACKUP_DIRECTORY: '', GROVE_BACKUP_S3_BUCKET: '' })).toBe(null);
    expect(storeOf({ GROVE_BACKUP_DIRECTORY: 'kept' })).toEqual({
      place: { kind: 'DIRECTORY', path: '/work/kept' },
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
