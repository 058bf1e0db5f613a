import type { Client } from 'graphql-ws';
import type { Result } from './messages.ts';
import type { ResumeOptions, ResumeRequest } from './resumption.ts';
import { subscribeWithResume } from './subscribeWithResume.ts';

const MOST_WAITING = 1_000;

export type IterateOptions = ResumeOptions & {
  /** Ends the iteration. */
  signal?: AbortSignal | undefined;
  /** How many messages may wait for a slow reader. Left out: 1,000. */
  mostWaiting?: number | undefined;
};

/**
 * As `subscribeWithResume`, message by message. When too many messages wait for a slow reader, the stream is let go, and taken up
 * again once they are read. Throws where the sink would hear an error.
 */
export async function* iterateWithResume<Data = Record<string, unknown>>(
  client: Client,
  request: ResumeRequest,
  { signal, mostWaiting = MOST_WAITING, ...options }: IterateOptions = {},
): AsyncGenerator<Result<Data>, void> {
  const waiting: Result<Data>[] = [];
  let end: { error: Error | null } | null = null;
  let wake = () => {};
  const finish = (error: Error | null) => {
    end ??= { error };
    wake();
  };
  const next = (result: Result<Data>) => {
    waiting.push(result);
    // Only once the message counts: it is handed on before its cursor is remembered.
    if (waiting.length >= mostWaiting) queueMicrotask(() => subscription.pause());
    wake();
  };
  const sink = { next, error: finish, complete: () => finish(null) };
  const subscription = subscribeWithResume<Data>(client, request, sink, options);
  const onAbort = () => finish(null);
  signal?.addEventListener('abort', onAbort);
  if (signal?.aborted) onAbort();
  try {
    for (;;) {
      for (let result = waiting.shift(); result !== undefined && !signal?.aborted; result = waiting.shift())
        yield result;
      const ended = end as { error: Error | null } | null;
      if (ended?.error) throw ended.error;
      if (ended) return;
      subscription.resume();
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    subscription.unsubscribe();
  }
}
