import { StreamRefusedError } from '#client/streamEnd.ts';
import { CliError } from './cliError.ts';

/** What ended a stream for good, as an error of the command line. */
export function refusalOf(error: unknown, keyRefused: CliError): unknown {
  if (!(error instanceof StreamRefusedError)) return error;
  if (error.closeCode === 4403) return keyRefused;
  const code = error.errors[0]?.extensions?.code;
  return new CliError('refused', typeof code === 'string' ? code : 'REFUSED', error.message);
}
