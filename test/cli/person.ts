import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, onTestFinished } from 'vitest';
import type { CliHost } from '#cli/cliHost.ts';
import { runCli } from '#cli/runCli.ts';

export const groveMain = resolve(import.meta.dirname, '../../src/main.ts');

export type Ran = { code: number | null; out: string; err: string };

/** The command line of somebody with a home of their own, without a terminal. Gone with the test. */
export function person(environment: Record<string, string> = {}) {
  const home = mkdtempSync(join(tmpdir(), 'grove-home-'));
  const started: ChildProcess[] = [];
  onTestFinished(() => {
    for (const child of started) child.kill('SIGKILL');
    rmSync(home, { recursive: true });
  });
  const env = { PATH: process.env.PATH ?? '', HOME: home, GROVE_DATA: join(home, 'data'), ...environment };
  /** A process of its own. */
  const start = (words: string[]) => {
    const child = spawn(process.execPath, [groveMain, ...words], { env, cwd: home });
    started.push(child);
    return child;
  };
  return {
    home,
    env,
    start,
    /** Runs a command to its end, in this process. */
    async grove(words: string[], stdin = ''): Promise<Ran> {
      const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()];
      input.end(stdin);
      const [out, err] = [collected(output), collected(errors)];
      const streams = { stdin: input, stdout: output, stderr: errors } as unknown as CliHost;
      const code = await runCli(words, {
        ...streams,
        environment: env,
        workingDirectory: home,
        onInterrupt: () => () => {},
      });
      return { code, out: out(), err: err() };
    },
    /** The same, in a process of its own. */
    async run(words: string[]): Promise<Ran> {
      const child = start(words);
      child.stdin.end();
      const [out, err] = [collected(child.stdout), collected(child.stderr)];
      const [code] = await once(child, 'close');
      return { code, out: out(), err: err() };
    },
  };
}

/** Somebody who has signed in there. */
export async function signedInPerson({ url, key }: { url: string; key: string }) {
  const who = person();
  const { code, err } = await who.grove(['login', '--url', url], `${key}\n`);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return who;
}

function collected(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  return () => text;
}
