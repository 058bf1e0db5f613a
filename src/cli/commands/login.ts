import { createApi } from '../api.ts';
import { CliError } from '../cliError.ts';
import { defineCommand } from '../command.ts';
import { exitCodes } from '../exitCodes.ts';
import { oneApiKey } from '../oneApiKey.ts';
import { firstLine, prompt } from '../prompt.ts';
import { saveLogin } from '../savedLogin.ts';
import { wishedUrls } from '../session.ts';

type Viewer = { viewer: { role: string; project: { name: string }; key: { name: string } } };

export const login = defineCommand({
  words: 'login',
  summary: 'Keeps the URL and a key for later commands. The key is asked for, or read from standard input.',
  async run({ values, host, say, tell }) {
    const { stdin } = host;
    const urls = wishedUrls(values, host);
    const url = urls.join(',');
    const text = stdin.isTTY ? await prompt(host, `API key for ${url}: `, { hidden: true }) : await firstLine(host);
    if (text === '')
      throw new CliError('usage', 'USAGE', 'There is no key on standard input. For example: grove login < admin.key');
    const key = oneApiKey(text, 'What was given');
    const api = createApi({ urls, key, keySource: 'the one that was given' });
    const { viewer } = await api.query<Viewer>('{ viewer { role project { name } key { name } } }');
    const file = await saveLogin(host, { url, key });
    say(
      `Signed in to ${url}, project "${viewer.project.name}", with the key "${viewer.key.name}" (${viewer.role}). Kept in ${file}.`,
    );
    tell({ url, project: viewer.project.name, key: viewer.key.name, role: viewer.role, file });
    return exitCodes.done;
  },
});
