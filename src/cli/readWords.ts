import { parseArgs } from 'node:util';
import type { Option } from './command.ts';

/** What stands behind a command's words. */
export type ReadWords = { values: Record<string, string | boolean | string[] | undefined>; positionals: string[] };

/** Faults are told in our own words, by `refuse`. */
export function readWords(
  words: readonly string[],
  options: Readonly<Record<string, Option>>,
  refuse: (fault: string) => Error,
): ReadWords {
  const parsing = { args: [...words], options, allowPositionals: true, strict: false, tokens: true } as const;
  const { values, positionals, tokens } = parseArgs(parsing);
  for (const token of tokens) {
    const fault = token.kind === 'option' ? faultOf(token, options) : null;
    if (fault !== null) throw refuse(fault);
  }
  return { values: values as ReadWords['values'], positionals };
}

type OptionToken = { name: string; rawName: string; value?: string | undefined; inlineValue?: boolean | undefined };

function faultOf({ name, rawName, value, inlineValue }: OptionToken, options: Readonly<Record<string, Option>>) {
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) return `There is no option ${rawName}.`;
  if (option.type === 'boolean') return value === undefined ? null : `${rawName} takes no value.`;
  const isMissing = value === undefined || (!inlineValue && value.length > 1 && value.startsWith('-'));
  return isMissing ? `${rawName} needs a value: ${rawName} ${option.value ?? 'VALUE'}.` : null;
}
