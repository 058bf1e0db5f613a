import { createGroveClient } from '#client/createGroveClient.ts';
import { keyRefused } from '../api.ts';
import type { CliHost } from '../cliHost.ts';
import { defineCommand } from '../command.ts';
import { exitCodes } from '../exitCodes.ts';
import { refusalOf } from '../refusalOf.ts';
import { followProject } from '../watch/followProject.ts';
import { printEvents } from '../watch/printEvents.ts';

export const watch = defineCommand({
  words: 'watch',
  summary:
    'A monitor of the project on the terminal. With --json, or where the output is no terminal: each event as a line of JSON.',
  options: {
    after: { type: 'string', value: 'CURSOR', meaning: 'with --json: begin behind this cursor. Default: from now on' },
  },
  async run({ values, host, session }) {
    const { urls, key, keySource } = await session();
    const client = createGroveClient({ url: urls, key });
    const { stdin, stdout, stderr } = host;
    try {
      if (values.json || !stdout.isTTY || !stdin.isTTY)
        await printEvents({ client, after: values.after ?? null, stdout, stderr });
      else await monitor(host, urls.join(','), followProject(client));
    } catch (error) {
      throw refusalOf(error, keyRefused({ urls, keySource }));
    } finally {
      client.terminate();
    }
    return exitCodes.done;
  },
});

async function monitor(
  { stdin, stdout, environment }: CliHost,
  url: string,
  following: ReturnType<typeof followProject>,
): Promise<void> {
  // Ink and React are loaded for this alone.
  const { showMonitor } = await import('../watch/monitor.ts');
  try {
    await showMonitor({ url, following, stdin, stdout, colored: !environment.NO_COLOR });
  } finally {
    following.close();
  }
}
