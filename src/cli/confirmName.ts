import { CliError } from './cliError.ts';
import type { CliHost } from './cliHost.ts';
import { prompt } from './prompt.ts';

/** Goes on only if somebody types the name. `what` is what would be deleted, in words. */
export async function confirmName(host: CliHost, what: string, name: string): Promise<void> {
  if (!host.stdin.isTTY) throw new CliError('usage', 'CONFIRMATION', `Add --yes to delete ${what}.`);
  const answer = await prompt(host, `This deletes ${what}. Type its name to go on: `);
  if (answer !== name) throw new CliError('usage', 'CANCELLED', `That was not "${name}". Nothing was done.`);
}
