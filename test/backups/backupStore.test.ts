import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type BackupStore, BackupStoreError, StoredFileMissing } from '#backups/backupStore.ts';
import { fingerprinted, fingerprintOf } from '#backups/fingerprint.ts';
import { openBackupStore } from '#backups/openBackupStore.ts';
import { s3Server } from '../support/s3Server.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const mebibyte = 1024 * 1024;

const stores: Record<string, () => Promise<BackupStore>> = {
  'a directory': async () =>
    openBackupStore({ place: { kind: 'DIRECTORY', path: join(await temporaryDirectory(), 'b') }, credentials: null }),
  'an S3 bucket': async () => openBackupStore((await s3Server()).settings),
};

async function* chunksOf(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

async function textOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of content) text += Buffer.from(chunk).toString();
  return text;
}

for (const [name, create] of Object.entries(stores)) {
  describe(`backups in ${name}`, () => {
    test('give back what was put in', async () => {
      const store = await create();
      await store.write('c/b/one.tar', chunksOf('hello ', 'world'));
      expect(await textOf(store.read('c/b/one.tar'))).toBe('hello world');
      expect(await store.stat('c/b/one.tar')).toEqual({ key: 'c/b/one.tar', bytes: 11 });
    });

    test('replace a file as a whole', async () => {
      const store = await create();
      await store.write('c/b/one.tar', chunksOf('the first, which is longer'));
      await store.write('c/b/one.tar', chunksOf('the second'));
      expect(await textOf(store.read('c/b/one.tar'))).toBe('the second');
      expect(await store.list('c/b')).toHaveLength(1);
    });

    test('take more than a part, with the same fingerprint in and out', async () => {
      const store = await create();
      const block = randomBytes(mebibyte);
      const whole = createHash('sha256');
      for (let n = 0; n < 20; n += 1) whole.update(block);
      const { content, fingerprint } = fingerprinted(chunksOf(...Array.from({ length: 20 }, () => block)));
      await store.write('c/b/large.tar', content, { expectedBytes: 20 * mebibyte });
      const written = { bytes: 20 * mebibyte, sha256: whole.digest('hex') };
      expect(fingerprint()).toEqual(written);
      expect(await fingerprintOf(store.read('c/b/large.tar'))).toEqual(written);
    });

    test('take their content no faster than they store it', async () => {
      const store = await create();
      let made = 0;
      async function* endless() {
        for (; made < 400; made += 1) yield Buffer.alloc(mebibyte, made);
      }
      const before = process.memoryUsage().rss;
      let most = 0;
      const sampling = setInterval(() => {
        most = Math.max(most, process.memoryUsage().rss - before);
      }, 5);
      await store.write('c/b/endless.tar', endless(), { expectedBytes: 400 * mebibyte });
      clearInterval(sampling);
      expect(made).toBe(400);
      expect(most).toBeLessThan(300 * mebibyte);
    });

    test('list what is below a name, and nothing beside it', async () => {
      const store = await create();
      for (const key of ['c/b/2', 'c/b/1', 'c/bb/3', 'd/b/4']) await store.write(key, chunksOf(key));
      expect((await store.list('c/b')).map(({ key }) => key)).toEqual(['c/b/1', 'c/b/2']);
      expect((await store.list('c')).map(({ key }) => key)).toEqual(['c/b/1', 'c/b/2', 'c/bb/3']);
      expect(await store.list('nothing')).toEqual([]);
    });

    test('lose what is removed, and nothing beside it, however often', async () => {
      const store = await create();
      for (const key of ['c/b/1', 'c/b/2', 'c/bb/3']) await store.write(key, chunksOf(key));
      await store.removeAll('c/b');
      await store.removeAll('c/b');
      expect(await store.list('c')).toEqual([{ key: 'c/bb/3', bytes: 6 }]);
      expect(await store.stat('c/b/1')).toBe(null);
    });

    test('say that a file is missing', async () => {
      const store = await create();
      expect(await store.stat('c/b/none')).toBe(null);
      await expect(textOf(store.read('c/b/none'))).rejects.toThrow(StoredFileMissing);
    });

    test('keep nothing of content that breaks off, and pass its error on', async () => {
      const store = await create();
      async function* broken() {
        yield Buffer.alloc(6 * mebibyte);
        throw new RangeError('the server died');
      }
      await expect(store.write('c/b/broken', broken())).rejects.toThrow('the server died');
      expect(await store.stat('c/b/broken')).toBe(null);
      expect(await store.list('c')).toEqual([]);
    });

    test('stop a write that is no longer wanted', async () => {
      const store = await create();
      const cut = new AbortController();
      async function* slow() {
        for (let n = 0; n < 1000; n += 1) {
          yield Buffer.alloc(mebibyte);
          if (n === 10) cut.abort(new Error('no longer wanted'));
          await delay(1);
        }
      }
      await expect(store.write('c/b/cut', slow(), { signal: cut.signal })).rejects.toThrow();
      expect(await store.stat('c/b/cut')).toBe(null);
    });

    test.each(['../x', '/etc/passwd', 'a/../../b', 'a//b', '', '.hidden', 'a/b~'])(
      'refuse the key "%s"',
      async (key) => {
        const store = await create();
        await expect(store.write(key, chunksOf('x'))).rejects.toThrow(BackupStoreError);
      },
    );
  });
}

test('a writer that is killed leaves nothing of its file in a directory once another one has written it', async () => {
  const path = await temporaryDirectory();
  const killed = spawn(process.execPath, ['--input-type=module', '-e', endlessWriter, path], { stdio: 'ignore' });
  await expect.poll(() => readdir(join(path, 'c')).catch(() => [])).toHaveLength(1);
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  const store = openBackupStore({ place: { kind: 'DIRECTORY', path }, credentials: null });
  await store.write('c/one.tar', chunksOf('beside it'));
  expect(await readdir(join(path, 'c'))).toHaveLength(2);
  await store.write('c/one.tar.zst', chunksOf('whole'));
  expect((await readdir(join(path, 'c'))).toSorted()).toEqual(['one.tar', 'one.tar.zst']);
});

const endlessWriter = `
  import { createDirectoryStore } from '#backups/directoryStore.ts';
  async function* endless() {
    for (;;) yield await new Promise((resolve) => setTimeout(() => resolve(Buffer.alloc(1024)), 10));
  }
  await createDirectoryStore(process.argv[1]).write('c/one.tar.zst', endless());`;

test('a bucket that is not there, or not ours, is told with its name', async () => {
  const { settings } = await s3Server();
  if (settings.place.kind !== 'S3') throw new Error('not S3');
  const other = openBackupStore({ ...settings, place: { ...settings.place, bucket: 'nobodys' } });
  await expect(other.list('c')).rejects.toThrow(/NoSuchBucket/);
  const stranger = openBackupStore({ ...settings, credentials: { accessKeyId: 'nobody', secretAccessKey: 'x' } });
  await expect(stranger.list('c')).rejects.toBeInstanceOf(BackupStoreError);
  const nowhere = openBackupStore({ ...settings, place: { ...settings.place, endpoint: 'http://127.0.0.1:1' } });
  await expect(nowhere.list('c')).rejects.toMatchObject({ retryable: true });
});
