/** Grove cannot start, and the reason is the operator's to mend: shown as one line, without a stack. */
export class StartupError extends Error {
  override readonly name = 'StartupError';
  /** What the process says at its end. */
  readonly exitCode: number = 1;
}

/** The command line cannot be meant. */
export class UsageError extends StartupError {
  override readonly exitCode = 2;
}
