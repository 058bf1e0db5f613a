import { CliError } from './cliError.ts';

/** The value of an option as a number; undefined if it was not given. What the number may be, Grove says. */
export function wholeNumber(option: string, value: string | undefined, maxDigits = 9): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value) && value.length <= maxDigits) return Number(value);
  throw new CliError('usage', 'USAGE', `--${option} takes a whole number, not "${value}".`);
}
