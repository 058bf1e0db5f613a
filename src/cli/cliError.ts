import { type ExitCode, exitCodes } from './exitCodes.ts';

/** An expected failure of a command: shown as one line, which names the way out. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: ExitCode;
  /** For programs: of Grove's error, or of the command line's own. */
  readonly code: string;

  constructor(exitCode: Exclude<keyof typeof exitCodes, 'done'>, code: string, message: string) {
    super(message);
    this.exitCode = exitCodes[exitCode];
    this.code = code;
  }
}
