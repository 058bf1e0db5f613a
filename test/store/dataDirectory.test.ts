import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StartupError } from '#lib/faults/startupError.ts';
import { processIdentity } from '#lib/host/processes.ts';
import { defaultDataDirectory, openDataDirectory } from '#store/dataDirectory.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const unprivileged = { uid: 65534, gid: 65534 };

/** A process that does nothing until the test ends. */
async function bystander(): Promise<number> {
  const child = spawn('sleep', ['600']);
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'spawn');
  return child.pid ?? 0;
}

/** The pid of a process that is gone. */
async function goneProcess(): Promise<number> {
  const child = spawn('true');
  await once(child, 'exit');
  return child.pid ?? 0;
}

describe('openDataDirectory', () => {
  test('makes the directory for its owner alone, or for the user of the servers to pass', async () => {
    const parent = await temporaryDirectory();
    await openDataDirectory(join(parent, 'own'), null);
    await openDataDirectory(join(parent, 'shared'), unprivileged);
    expect((await stat(join(parent, 'own'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(parent, 'shared'))).mode & 0o777).toBe(0o711);
  });

  test('refuses a directory that is in use, and says by whom', async () => {
    const path = await temporaryDirectory();
    await openDataDirectory(path, null);
    await expect(openDataDirectory(path, null)).rejects.toThrow(
      new StartupError(
        `The data directory ${path} is in use by another Grove (pid ${process.pid}). Stop that one, or set GROVE_DATA to another directory.`,
      ),
    );
  });

  test('can be opened again once it was released', async () => {
    const path = await temporaryDirectory();
    for (let time = 0; time < 3; time += 1) await (await openDataDirectory(path, null)).release();
    expect(await readdir(path)).toEqual(['lock-6']);
  });

  test('takes over from a process that is gone', async () => {
    const path = await temporaryDirectory();
    await symlink(`${await goneProcess()}@boot/1`, join(path, 'lock-7'));
    await openDataDirectory(path, null);
    expect(await readdir(path)).toEqual(['lock-8']);
  });

  test('is not fooled by another program that was given the pid of one that is gone', async () => {
    const path = await temporaryDirectory();
    const pid = await bystander();
    await symlink(`${pid}@boot/1`, join(path, 'lock-1'));
    await (await openDataDirectory(path, null)).release();
    await symlink(`${pid}@${processIdentity(pid)}`, join(path, 'lock-9'));
    await expect(openDataDirectory(path, null)).rejects.toThrow(`in use by another Grove (pid ${pid})`);
  });

  test('of many that find a dead holder, one takes over', async () => {
    const path = await temporaryDirectory();
    for (let round = 0; round < 20; round += 1) {
      const newest = (await readdir(path)).map((name) => Number(name.slice(5)));
      await symlink(`${await goneProcess()}@boot/1`, join(path, `lock-${Math.max(0, ...newest) + 1}`));
      const outcomes = await Promise.allSettled(Array.from({ length: 12 }, () => openDataDirectory(path, null)));
      const winners = outcomes.filter((outcome) => outcome.status === 'fulfilled');
      expect(winners).toHaveLength(1);
      await winners[0]?.value.release();
    }
  });

  test('refuses a directory that the user of the servers could not reach, and names the obstacle', async () => {
    const parent = await temporaryDirectory();
    await mkdir(join(parent, 'closed'), { mode: 0o700 });
    await expect(openDataDirectory(join(parent, 'closed', 'data'), unprivileged)).rejects.toThrow(
      `they may not pass ${join(parent, 'closed')}. Set GROVE_DATA to another directory, such as /var/lib/grove.`,
    );
  });
});

describe('defaultDataDirectory', () => {
  test('is .grove where Grove is started, unless the user of the servers could not reach it', async () => {
    const directory = await temporaryDirectory();
    expect(await defaultDataDirectory(directory, null)).toBe(join(directory, '.grove'));
    expect(await defaultDataDirectory(directory, unprivileged)).toBe(join(directory, '.grove'));
    await chmod(directory, 0o700);
    expect(await defaultDataDirectory(directory, unprivileged)).toBe('/var/lib/grove');
  });
});
