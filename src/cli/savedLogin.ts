import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { replaceFile } from '#lib/files/replaceFile.ts';
import { CliError } from './cliError.ts';
import type { CliHost } from './cliHost.ts';
import { isApiKey } from './oneApiKey.ts';

/** Where somebody has signed in, and with which key. */
export type SavedLogin = { url: string; key: string };

/** `login.json` in the user's configuration directory. */
function loginFile({ environment }: Pick<CliHost, 'environment'>): string {
  const { XDG_CONFIG_HOME, HOME } = environment;
  if (XDG_CONFIG_HOME) return join(XDG_CONFIG_HOME, 'grove', 'login.json');
  if (HOME) return join(HOME, '.config', 'grove', 'login.json');
  throw new CliError(
    'notSignedIn',
    'NO_HOME',
    'Neither HOME nor XDG_CONFIG_HOME is set: name a key with GROVE_KEY_FILE.',
  );
}

/** Null: nobody has signed in. */
export async function readLogin(host: Pick<CliHost, 'environment'>): Promise<SavedLogin | null> {
  if (!host.environment.XDG_CONFIG_HOME && !host.environment.HOME) return null;
  const file = loginFile(host);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new CliError('notSignedIn', 'LOGIN_UNREADABLE', `${file} cannot be read (${error.code}).`);
  });
  return text === null ? null : parseLogin(text, file);
}

function parseLogin(text: string, file: string): SavedLogin {
  try {
    const { url, key } = JSON.parse(text) as Partial<SavedLogin>;
    if (typeof url === 'string' && typeof key === 'string' && isApiKey(key)) return { url, key };
  } catch {
    // Said below.
  }
  throw new CliError(
    'notSignedIn',
    'LOGIN_UNREADABLE',
    `${file} is not what grove login wrote. Run grove login again.`,
  );
}

/** Readable by its owner only. */
export async function saveLogin(host: Pick<CliHost, 'environment'>, login: SavedLogin): Promise<string> {
  const file = loginFile(host);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await replaceFile(file, `${JSON.stringify(login, null, 2)}\n`, { mode: 0o600 });
  return file;
}

export async function forgetLogin(host: Pick<CliHost, 'environment'>): Promise<void> {
  await rm(loginFile(host), { force: true });
}
