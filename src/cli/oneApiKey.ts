import { CliError } from './cliError.ts';

/** Loose, since Grove judges keys; close enough that no other secret is sent or lands in an error. */
const keyPattern = /^grv_[A-Za-z0-9_-]{1,100}$/;

export const isApiKey = (text: string): boolean => keyPattern.test(text);

/** The key that the text is, but for the space around it. Throws a CliError, which never shows the text: it may be any secret. */
export function oneApiKey(text: string, source: string): string {
  const key = text.trim();
  if (isApiKey(key)) return key;
  throw new CliError('notSignedIn', 'NOT_A_KEY', `${source} does not hold one API key, which begins with grv_.`);
}
