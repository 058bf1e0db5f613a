import { readFileSync } from 'node:fs';
import { commands } from '#cli/commands.ts';
import { overview } from '#cli/help.ts';
import { settings } from './config.ts';

const usage = (cli: string) => `grove – a self-hosted control plane for database clusters

Usage: grove [command]

  all      everything in one process (default): API, worker, embedded PostgreSQL
  api      the API and the agents' gateway; needs DATABASE_URL and GROVE_SECRET_KEY
  worker   operations and monitors; needs DATABASE_URL and GROVE_SECRET_KEY
  agent    the guest agent of one instance; providers run it

${cli}
  -h, --help     this text
  -v, --version  the version

Exit codes of the commands for people: 0 done, 1 refused or failed, 2 wrong command line, 3 not signed in, 4 Grove not reached.

Settings (environment variables):
`;

export function printHelp(): void {
  const width = Math.max(...settings.map(({ name }) => name.length));
  const lines = settings.map(({ name, meaning }) => `  ${name.padEnd(width)}  ${meaning}\n`);
  process.stdout.write(`${usage(overview(commands))}\n${lines.join('')}`);
}

export function printVersion(): void {
  process.stdout.write(`${packageVersion()}\n`);
}

function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}
