/** Grove cannot start, and the reason is the operator's to mend: shown as one line, without a stack. */
export class StartupError extends Error {
  override readonly name = 'StartupError';
}
