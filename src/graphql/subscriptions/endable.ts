/**
 * A generator that can be ended while it waits. It does not hear `return` before what it waits for has come, so the signal must
 * end that: otherwise each stream that its reader left lived on until the next heartbeat.
 */
export function endable<T>(generate: (signal: AbortSignal) => AsyncGenerator<T, void>): AsyncIterableIterator<T, void> {
  const ending = new AbortController();
  const generator = generate(ending.signal);
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => generator.next(),
    return() {
      ending.abort();
      return generator.return();
    },
  };
}
