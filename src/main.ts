#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { StartupError, UsageError } from '#lib/faults/startupError.ts';

const commands = ['all', 'api', 'worker', 'agent'] as const;
type Command = (typeof commands)[number];

const options = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
  directory: { type: 'string' },
  tools: { type: 'string' },
} as const;

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  if (await isForPeople(words)) return await runAsCli(words);
  const { values, positionals } = await readArguments();
  if (values.help) return (await import('./help.ts')).printHelp();
  if (values.version) return (await import('./help.ts')).printVersion();
  const command = await readCommand(positionals);
  if (command === 'agent') return runAsAgent(values);
  const { runAsServer } = await import('./runAsServer.ts');
  await runAsServer(command, { environment: process.env, workingDirectory: process.cwd(), exit: process.exit });
}

/** Servers and agents load nothing for the question. */
async function isForPeople([noun = '-']: readonly string[]): Promise<boolean> {
  if (noun.startsWith('-') || commands.some((known) => known === noun)) return false;
  const { cliNouns } = await import('#cli/nouns.ts');
  return cliNouns.includes(noun);
}

/** The commands for people, over the public API. */
async function runAsCli(words: readonly string[]): Promise<void> {
  const { runCli } = await import('#cli/runCli.ts');
  const { env: environment, stdin, stdout, stderr } = process;
  const onInterrupt = (listener: () => void) => {
    process.once('SIGINT', listener);
    return () => void process.off('SIGINT', listener);
  };
  const streams = { stdin, stdout, stderr };
  process.exit(await runCli(words, { environment, workingDirectory: process.cwd(), ...streams, onInterrupt }));
}

/** Faults are told in our own words, for which servers and agents that have none load nothing. */
async function readArguments() {
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    const { readWords } = await import('#cli/readWords.ts');
    readWords(process.argv.slice(2), options, (fault) => new UsageError(`${fault} See grove --help.`));
    throw error;
  }
}

async function readCommand([name = 'all', ...rest]: readonly string[]): Promise<Command> {
  const command = commands.find((known) => known === name);
  if (command && rest.length === 0) return command;
  const [{ cliNouns }, { nearestWord }] = await Promise.all([
    import('#cli/nouns.ts'),
    import('#lib/values/nearestWord.ts'),
  ]);
  const meant = command ? null : nearestWord(name, [...commands, ...cliNouns]);
  const suggestion = meant === null ? '' : ` Did you mean ${meant}?`;
  throw new UsageError(`There is no command "${[name, ...rest].join(' ')}".${suggestion} See grove --help.`);
}

async function runAsAgent({ directory, tools }: { directory?: string; tools?: string }): Promise<void> {
  if (directory === undefined || tools === undefined) {
    throw new StartupError('grove agent needs --directory and --tools. Providers run it; see grove --help.');
  }
  const { runAsAgent } = await import('./runAsAgent.ts');
  await runAsAgent({ directory, toolsDirectory: tools, environment: process.env });
}

main().catch((error: unknown) => {
  process.stderr.write(
    error instanceof StartupError ? `grove: ${error.message}\n` : `grove: ${(error as Error).stack ?? error}\n`,
  );
  process.exit(error instanceof StartupError ? error.exitCode : 1);
});
