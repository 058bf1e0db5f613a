import { CliError } from './cliError.ts';
import type { CliHost } from './cliHost.ts';
import { prompt } from './prompt.ts';

/** `what`: what would be deleted, in words. `called`: how the name is asked for, where it is not that of `what`. */
type Question = { what: string; name: string; called?: string };

/** Goes on only if somebody types the name. */
export async function confirmName(host: CliHost, { what, name, called = 'its name' }: Question): Promise<void> {
  if (!host.stdin.isTTY) throw new CliError('usage', 'CONFIRMATION', `Add --yes to delete ${what}.`);
  const answer = await prompt(host, `This deletes ${what}. Type ${called} to go on: `);
  if (answer !== name) throw new CliError('usage', 'CANCELLED', `That was not "${name}". Nothing was done.`);
}
