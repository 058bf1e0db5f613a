import type { BackoffOptions } from './backoff.ts';
import type { Result, ResumeGap } from './messages.ts';

export type ResumeRequest = {
  /** `events` and `cluster` need `after` as a variable and `cursor` in each message; other subscriptions are taken up anew. */
  query: string;
  /** A cursor in the variable of `after` is where the stream begins. */
  variables?: Record<string, unknown> | undefined;
  operationName?: string | null | undefined;
  extensions?: Record<string, unknown> | null | undefined;
};

export type ResumeSink<Data> = {
  /** A message. Its cursor counts once this has returned; if this throws, the stream ends with what was thrown. */
  next(result: Result<Data>): void;
  /** The stream has ended and does not come back. */
  error(error: Error): void;
  /** The stream has ended of itself: an operation's with the operation, any with its client. */
  complete(): void;
};

/** How a stream stands. `live` once the server has accepted the connection, or has sent a message over one that was there. */
export type StreamStatus =
  | { state: 'connecting' }
  | { state: 'live' }
  | { state: 'waiting'; reason: string; delayMs: number; attempt: number };

export type ResumeOptions = {
  /** Events are missing: read the state anew. The gap also is a message of the stream. Called before it is handed on. */
  onGap?: ((gap: ResumeGap) => void) | undefined;
  onStatus?: ((status: StreamStatus) => void) | undefined;
  backoff?: BackoffOptions | undefined;
  /** After this silence, in milliseconds, the connection is taken for dead. The server says something every 15 s. Left out: 45,000. */
  longestSilenceMs?: number | undefined;
};

/** Pausing lets the server forget the stream; resuming takes it up where it was. */
export type ResumableSubscription = { unsubscribe(): void; pause(): void; resume(): void };
