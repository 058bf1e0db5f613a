import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { replaceFile } from '#lib/files/replaceFile.ts';
import { openLogFile } from '#lib/log/openLogFile.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

test('a file is replaced as a whole, with its mode and nothing beside it', async () => {
  const directory = await temporaryDirectory();
  const path = join(directory, 'state.json');
  await replaceFile(path, 'one');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  await replaceFile(path, 'two', { mode: 0o644, durable: true });
  expect((await stat(path)).mode & 0o777).toBe(0o644);
  expect(await readFile(path, 'utf8')).toBe('two');
  expect(await readdir(directory)).toEqual(['state.json']);
});

test('a file that cannot be replaced stays as it was', async () => {
  const directory = await temporaryDirectory();
  const path = join(directory, 'state.json');
  await replaceFile(path, 'one');
  await mkdir(`${path}.new`);
  await expect(replaceFile(path, 'two')).rejects.toThrow();
  expect(await readFile(path, 'utf8')).toBe('one');
});

test('what an interrupted run or somebody else left in its way is not written through', async () => {
  const directory = await temporaryDirectory();
  const [path, elsewhere] = [join(directory, 'state.json'), join(directory, 'elsewhere')];
  await writeFile(elsewhere, 'theirs');
  await symlink(elsewhere, `${path}.new`);
  await replaceFile(path, 'ours');
  expect(await readFile(elsewhere, 'utf8')).toBe('theirs');
  expect((await stat(path)).isFile()).toBe(true);
});

test('a log goes on, and is set aside when it is long', async () => {
  const path = join(await temporaryDirectory(), 'agent.log');
  for (const text of ['one ', 'two ', 'three']) {
    const log = await openLogFile(path, { maxBytes: 6 });
    await log.write(text);
    await log.close();
  }
  expect(await readFile(`${path}.1`, 'utf8')).toBe('one two ');
  expect(await readFile(path, 'utf8')).toBe('three');
});
