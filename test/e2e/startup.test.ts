import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '#lib/host/freePort.ts';
import { createGroveHome, type GroveHome } from '../support/groveProcess.ts';

const main = resolve(import.meta.dirname, '../../src/main.ts');

let home: GroveHome;
beforeEach(async () => {
  home = await createGroveHome();
});
afterEach(({ task }) => home.destroy(task));

async function run(args: string[], environment: Record<string, string> = {}) {
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH, GROVE_DATA: home.directory, GROVE_LOG_LEVEL: 'silent', ...environment },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = await once(child, 'exit');
  return { code, output };
}

describe('a start that cannot succeed says why in one line and exits with an error', () => {
  test('when the port is in use', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const { code, output } = await run([], { GROVE_PORT: String(port) });
    expect({ code, lines: output.trim().split('\n').length }).toEqual({ code: 1, lines: 1 });
    expect(output).toMatch(new RegExp(`^grove: .*${port}.*GROVE_PORT`));
    taken.close();
  });

  test('when the data directory is in use by another Grove', async () => {
    const other = await home.start();
    const { code, output } = await run([], { GROVE_PORT: String(await freePort()) });
    expect({ code, lines: output.trim().split('\n').length }).toEqual({ code: 1, lines: 1 });
    expect(output).toContain(String(other.pid));
    await other.interrupt();
  });

  test('when DATABASE_URL cannot be reached, without its password', async () => {
    const port = await freePort();
    const { code, output } = await run([], {
      DATABASE_URL: `postgresql://grove:canary-secret@127.0.0.1:${port}/grove`,
    });
    expect({ code, lines: output.trim().split('\n').length }).toEqual({ code: 1, lines: 1 });
    expect(output).toContain(`127.0.0.1:${port}`);
    expect(output).not.toContain('canary-secret');
  });

  test('when REDIS_URL cannot be reached', async () => {
    const port = await freePort();
    const { code, output } = await run([], { REDIS_URL: `redis://127.0.0.1:${port}` });
    expect({ code, lines: output.trim().split('\n').length }).toEqual({ code: 1, lines: 1 });
    expect(output).toContain(`127.0.0.1:${port}`);
  });

  test('when settings are bad, all of them at once', async () => {
    const { code, output } = await run([], {
      GROVE_PORT: 'http',
      DATABASE_URL: 'mysql://x',
      GROVE_SECRET_KEY: 'short',
      GROVE_NETWORK: '10.0.0.0/8',
    });
    expect({ code, lines: output.trim().split('\n').length }).toEqual({ code: 1, lines: 1 });
    for (const name of ['GROVE_PORT', 'DATABASE_URL', 'GROVE_SECRET_KEY', 'GROVE_NETWORK'])
      expect(output).toContain(name);
  });

  test('when the command is unknown, or one of several processes lacks what they share', async () => {
    expect(await run(['serve'])).toMatchObject({ code: 2, output: expect.stringContaining('"serve"') });
    expect(await run(['worker'])).toMatchObject({ code: 1, output: expect.stringContaining('DATABASE_URL') });
    expect(await run(['--frobnicate'])).toMatchObject({ code: 2, output: expect.stringContaining('--help') });
  });
});

test('grove --help names every command and setting, and --version the version', async () => {
  const { code, output } = await run(['--help']);
  expect(code).toBe(0);
  for (const word of ['all', 'api', 'worker', 'agent', 'DATABASE_URL', 'REDIS_URL', 'GROVE_DATA'])
    expect(output).toContain(word);
  expect(await run(['--version'])).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});
