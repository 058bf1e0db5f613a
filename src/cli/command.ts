import type { Api } from './api.ts';
import type { CliHost } from './cliHost.ts';
import type { ExitCode } from './exitCodes.ts';
import type { Session } from './session.ts';

export type Option = {
  type: 'string' | 'boolean';
  /** One letter that stands for it. */
  short?: string;
  multiple?: boolean;
  /** How the value is called in the help. */
  value?: string;
  meaning: string;
};

type ValueOf<O extends Option> = O['type'] extends 'boolean' ? boolean : O['multiple'] extends true ? string[] : string;
export type ValuesOf<Options extends Record<string, Option>> = { [Name in keyof Options]?: ValueOf<Options[Name]> };

/** Every command has these. */
export const commonOptions = {
  json: { type: 'boolean', meaning: 'JSON on standard output, for programs' },
  url: { type: 'string', value: 'URL', meaning: 'where Grove is; several of its processes with commas (GROVE_URL)' },
  'key-file': { type: 'string', value: 'FILE', meaning: 'a file with the API key (GROVE_KEY_FILE)' },
  help: { type: 'boolean', meaning: 'this text' },
} as const satisfies Record<string, Option>;

export type Invocation<Options extends Record<string, Option> = Record<never, Option>> = {
  /** What follows the command's words. */
  argument: string;
  /** What follows the argument: one or more where the command has `others`, else none. */
  others: readonly string[];
  values: ValuesOf<Options> & ValuesOf<typeof commonOptions>;
  host: CliHost;
  /** A line for people; nothing with `--json`. */
  say(line: string): void;
  /** What the command has found, as one line of JSON; nothing without `--json`. */
  tell(value: unknown): void;
  /** Where Grove is, and with which key. Throws a CliError that says how to sign in. */
  session(): Promise<Session>;
  api(): Promise<Api>;
};

/** `once`: it is not repeated, where others of its kind may be. */
export type Argument = { name: string; meaning: string; once?: true };

export type Command = {
  /** As it is typed after `grove`. */
  words: string;
  argument: Argument | null;
  /** What is given behind the argument: once at least, or once. */
  others: Argument | null;
  summary: string;
  options: Record<string, Option>;
  run(invocation: Invocation<Record<string, Option>>): Promise<ExitCode>;
};

type Definition<Options extends Record<string, Option>> = Omit<Command, 'options' | 'run' | 'argument' | 'others'> & {
  argument?: Argument | null;
  others?: Argument | null;
  options?: Options;
  run(invocation: Invocation<Options>): Promise<ExitCode>;
};

/** A command with the types of its options. */
export function defineCommand<const Options extends Record<string, Option> = Record<never, Option>>({
  argument = null,
  others = null,
  options,
  run,
  ...rest
}: Definition<Options>): Command {
  return {
    ...rest,
    argument,
    others,
    options: options ?? {},
    run: (invocation) => run(invocation as Invocation<Options>),
  };
}
