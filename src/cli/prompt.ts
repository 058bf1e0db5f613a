import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { CliError } from './cliError.ts';
import type { CliHost } from './cliHost.ts';

/** Asks on the terminal. What is typed is shown; with `hidden` it is not. */
export async function prompt({ stdin, stderr }: CliHost, question: string, { hidden = false } = {}): Promise<string> {
  stderr.write(question);
  const output = hidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : stderr;
  const lines = createInterface({ input: stdin, output, terminal: true });
  const interrupted = once(lines, 'SIGINT').then(() => null);
  const answer = await Promise.race([once(lines, 'line'), once(lines, 'close').then(() => null), interrupted]);
  lines.close();
  if (hidden || answer === null) stderr.write('\n');
  if (answer === null) throw new CliError('usage', 'CANCELLED', 'Nothing was done.');
  return String(answer[0]).trim();
}

/** The first line of standard input, for pipes. */
export async function firstLine({ stdin }: CliHost): Promise<string> {
  for await (const line of createInterface({ input: stdin })) return line.trim();
  return '';
}
