/**
 * The work's outcome, or the signal's reason as soon as it aborts: whoever waits is free, even if the work hears no signal. What it
 * does after that is its own affair, and nobody's error.
 */
export async function endsBefore<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
    work.catch(() => {});
    aborted.catch(() => {});
  }
}
