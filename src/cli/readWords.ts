import { parseArgs } from 'node:util';
import { nearestWord } from '#lib/values/nearestWord.ts';
import type { Option } from './command.ts';

type Known = Readonly<Record<string, Pick<Option, 'type' | 'multiple' | 'short' | 'value'>>>;

/** What stands behind a command's words. */
export type ReadWords = { values: Record<string, string | boolean | string[] | undefined>; positionals: string[] };

/** Faults are told in our own words, by `refuse`. */
export function readWords(words: readonly string[], options: Known, refuse: (fault: string) => Error): ReadWords {
  const parsing = { args: [...words], options, allowPositionals: true, strict: false, tokens: true } as const;
  const { values, positionals, tokens } = parseArgs(parsing);
  for (const token of tokens) {
    const fault = token.kind === 'option' ? faultOf(token, options) : null;
    if (fault !== null) throw refuse(fault);
  }
  return { values: values as ReadWords['values'], positionals };
}

type OptionToken = { name: string; rawName: string; value?: string | undefined; inlineValue?: boolean | undefined };

function faultOf({ name, rawName, value, inlineValue }: OptionToken, options: Known) {
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) return `There is no option ${rawName}.${suggestion(name, options)}`;
  if (option.type === 'boolean') return value === undefined ? null : `${rawName} takes no value.`;
  const isMissing = value === undefined || (!inlineValue && value.length > 1 && value.startsWith('-'));
  return isMissing ? `${rawName} needs a value: ${rawName} ${option.value ?? 'VALUE'}.` : null;
}

function suggestion(name: string, options: Known): string {
  const meant = nearestWord(name, Object.keys(options));
  return meant === null ? '' : ` Did you mean --${meant}?`;
}
