/** A step could not do its work for a reason that people can act on. */
export class StepFailure extends Error {
  /** For programs; for ever the same for the same cause. */
  readonly code: string;
  /** True: doing the same step again may succeed. */
  readonly retryable: boolean;
  constructor(
    code: string,
    message: string,
    { retryable = false, cause }: { retryable?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.code = code;
    this.retryable = retryable;
  }
}
