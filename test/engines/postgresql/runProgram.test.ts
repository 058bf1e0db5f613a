import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { processEnds, processIdentity, processIsRunning, signalProcess } from '#lib/host/processes.ts';
import { loopbackOnly, postgresqlInstance } from '../../support/postgresqlInstance.ts';

test('a program that outlived the agent that began it is ended, with all that it started, before the next agent does anything', async () => {
  const instance = await postgresqlInstance('orders-1', '18');
  const script = 'sleep 1000 & echo $!; wait';
  const program = spawn('sh', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  const { pid = 0 } = program;
  onTestFinished(() => void signalProcess(-pid, 'SIGKILL'));
  const child = await new Promise<number>((resolve) =>
    program.stdout.once('data', (text: Buffer) => resolve(Number(text))),
  );
  await writeFile(
    join(instance.host.directory, 'program.json'),
    JSON.stringify({ pid, identity: processIdentity(pid) }),
  );
  await instance.side.resume();
  expect([processIsRunning(pid), await processEnds(child, { timeoutMs: 5000 })]).toEqual([false, true]);
});

test('a password that a program was given in a file does not outlive the agent that gave it', async () => {
  const instance = await postgresqlInstance('orders-1', '18');
  const conf = join(instance.host.directory, 'conf');
  await mkdir(conf);
  for (const name of ['initial-password', 'pgpass-rewind', 'pgpass']) await writeFile(join(conf, name), 'secret');
  await instance.side.resume();
  expect(await readdir(conf)).toEqual(['pgpass']);
});

test('another process of the same number is left alone', async () => {
  const instance = await postgresqlInstance('orders-1', '18');
  const other = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
  const { pid = 0 } = other;
  onTestFinished(() => void signalProcess(-pid, 'SIGKILL'));
  await writeFile(join(instance.host.directory, 'program.json'), JSON.stringify({ pid, identity: 'another boot/1' }));
  await instance.side.resume();
  expect(processIsRunning(pid)).toBe(true);
});

test('initdb is written down while it runs, and ends with the command', async () => {
  const instance = await postgresqlInstance('orders-1', '18');
  const file = join(instance.host.directory, 'program.json');
  const cut = new AbortController();
  const making = instance.run('initialize', { access: loopbackOnly }, cut.signal);
  const failed = expect(making).rejects.toThrow();
  await vi.waitFor(() => expect(existsSync(file)).toBe(true), { timeout: 5000, interval: 2 });
  const { pid } = JSON.parse(await readFile(file, 'utf8'));
  cut.abort(new Error('cut off'));
  await failed;
  expect(await processEnds(pid, { timeoutMs: 5000 })).toBe(true);
  expect(existsSync(file)).toBe(false);
  expect(await instance.run('initialize', { access: loopbackOnly })).toMatchObject({
    systemIdentifier: expect.any(String),
  });
});
