import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CliError } from './cliError.ts';
import type { CliHost } from './cliHost.ts';
import { oneApiKey } from './oneApiKey.ts';
import { readLogin } from './savedLogin.ts';

export type Session = {
  /** Without paths; one at least. Processes of one Grove: whichever answers. */
  urls: readonly string[];
  key: string;
  /** In words, for the error when Grove does not accept it. */
  keySource: string;
};

type Wishes = { url?: string | undefined; 'key-file'?: string | undefined };

const checkout = resolve(import.meta.dirname, '../..');

/**
 * The URLs: the option, GROVE_URL, the saved login's, this host's. The key: the named file's, the saved login's if it is of these URLs,
 * or the one that a Grove on this host has written to its data directory. No key is sent to a place that it is not of.
 */
export async function openSession(wishes: Wishes, host: CliHost): Promise<Session> {
  const { environment } = host;
  const login = await readLogin(host);
  const saved = login === null ? [] : readUrls(login.url);
  const urls = saved.length > 0 && !wishes.url && !environment.GROVE_URL ? saved : wishedUrls(wishes, host);
  const keyFile = wishes['key-file'] || environment.GROVE_KEY_FILE;
  if (keyFile) return { urls, ...(await keyIn(resolve(host.workingDirectory, keyFile))) };
  if (login !== null && urls.every((url) => saved.includes(url)))
    return { urls, key: login.key, keySource: 'the one of grove login' };
  const local = urls.every(isThisHost) ? await localKey(host) : null;
  if (local !== null) return { urls, ...local };
  const places = urls.join(',');
  throw new CliError(
    'notSignedIn',
    'NO_KEY',
    `There is no key for ${places}. Sign in with grove login --url ${places}, or name a file that holds one with GROVE_KEY_FILE.`,
  );
}

/** The option's, GROVE_URL's or this host's. */
export function wishedUrls(wishes: Pick<Wishes, 'url'>, { environment }: Pick<CliHost, 'environment'>): string[] {
  return readUrls(wishes.url || environment.GROVE_URL || `http://127.0.0.1:${environment.GROVE_PORT || 4000}`);
}

/** Scheme, host and port of each, of a list with commas. */
function readUrls(list: string): string[] {
  return list.split(',').map((text) => {
    const url = URL.canParse(text) ? new URL(text) : null;
    if (url?.protocol === 'http:' || url?.protocol === 'https:') return url.origin;
    throw new CliError('usage', 'BAD_URL', `"${text}" is not a URL like http://127.0.0.1:4000.`);
  });
}

const isThisHost = (url: string): boolean => /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(url).hostname);

type Key = Pick<Session, 'key' | 'keySource'>;

/** What the first start has written. Null: there is no such file. */
async function localKey({ environment, workingDirectory }: CliHost): Promise<Key | null> {
  const { GROVE_DATA } = environment;
  const directories = GROVE_DATA
    ? [resolve(workingDirectory, GROVE_DATA)]
    : [join(workingDirectory, '.grove'), join(checkout, '.grove'), '/var/lib/grove'];
  for (const directory of directories) {
    try {
      return await keyIn(join(directory, 'admin.key'));
    } catch (error) {
      if (!(error instanceof CliError && error.code === 'KEY_FILE_ABSENT')) throw error;
    }
  }
  return null;
}

async function keyIn(file: string): Promise<Key> {
  return { key: oneApiKey(await readKeyFile(file), file), keySource: `the one in ${file}` };
}

async function readKeyFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new CliError('notSignedIn', 'KEY_FILE_ABSENT', `There is no file ${file}.`);
    throw new CliError(
      'notSignedIn',
      'KEY_FILE_UNREADABLE',
      `${file} cannot be read (${code}). Sign in with grove login.`,
    );
  }
}
