import { createApi } from './api.ts';
import { CliError } from './cliError.ts';
import type { CliHost } from './cliHost.ts';
import { type Command, commonOptions, type Invocation } from './command.ts';
import { commands } from './commands.ts';
import { type ExitCode, exitCodes } from './exitCodes.ts';
import { helpOf, overview } from './help.ts';
import { type ReadWords, readWords } from './readWords.ts';
import { openSession } from './session.ts';

/** Runs the command that the words name, and answers with the exit code. Expected failures are told on standard error. */
export async function runCli(words: readonly string[], host: CliHost): Promise<ExitCode> {
  const wantsJson = words.includes('--json');
  try {
    return await dispatch(words, host);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const { code, message, exitCode } = error;
    host.stderr.write(wantsJson ? `${JSON.stringify({ error: { code, message } })}\n` : `grove: ${message}\n`);
    return exitCode;
  }
}

async function dispatch(words: readonly string[], host: CliHost): Promise<ExitCode> {
  const command = commands.find((candidate) => begins(words, candidate));
  if (command === undefined) return noSuchCommand(words, host);
  const { values, positionals } = read(command, words.slice(command.words.split(' ').length));
  if (values.help) {
    host.stdout.write(`Usage: ${helpOf(command)}`);
    return exitCodes.done;
  }
  return await command.run(invocation(argumentsOf(command, positionals), values, host));
}

function argumentsOf(command: Command, positionals: readonly string[]): Pick<Invocation, 'argument' | 'others'> {
  const expected = [command.argument, command.others].filter((one) => one !== null);
  const missing = expected.find((_, position) => !positionals[position]);
  if (missing) throw usage(command, `${missing.name} is missing: ${missing.meaning}.`);
  const isOpen = command.others !== null && !command.others.once;
  const superfluous = isOpen ? [] : positionals.slice(expected.length);
  if (superfluous.length > 0) throw usage(command, `"${superfluous.join(' ')}" is too much.`);
  const [argument = '', ...others] = positionals;
  return { argument, others };
}

const begins = (words: readonly string[], command: Command): boolean =>
  command.words.split(' ').every((word, index) => words[index] === word);

function noSuchCommand(words: readonly string[], host: CliHost): ExitCode {
  const [noun = ''] = words;
  const siblings = commands.filter((command) => command.words.split(' ')[0] === noun);
  const verb = words.slice(1).find((word) => !word.startsWith('-'));
  if (verb === undefined && words.includes('--help')) {
    host.stdout.write(overview(siblings));
    return exitCodes.done;
  }
  const known = siblings.map((command) => `grove ${command.words}`).join(', ');
  const wrong =
    verb === undefined ? `grove ${noun} needs to know what to do` : `There is no command grove ${noun} ${verb}`;
  throw new CliError('usage', 'USAGE', `${wrong}: ${known}.`);
}

const read = (command: Command, words: readonly string[]): ReadWords =>
  readWords(words, { ...command.options, ...commonOptions }, (fault) => usage(command, fault));

const usage = ({ words }: Command, message: string): CliError =>
  new CliError('usage', 'USAGE', `${message} See grove ${words} --help.`);

function invocation(
  given: Pick<Invocation, 'argument' | 'others'>,
  values: Invocation['values'],
  host: CliHost,
): Invocation {
  const session = () => openSession(values, host);
  return {
    ...given,
    values,
    host,
    say: (line) => void (values.json || host.stdout.write(`${line}\n`)),
    tell: (value) => void (values.json && host.stdout.write(`${JSON.stringify(value)}\n`)),
    session,
    api: async () => createApi(await session()),
  };
}
