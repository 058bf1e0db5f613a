/** An answer of the server: a message of the stream in `data`, or errors. */
export type Result<Data = Record<string, unknown>> = {
  data?: Data | null;
  errors?: readonly ResultError[];
  extensions?: Record<string, unknown>;
};

export type ResultError = {
  readonly message: string;
  readonly path?: ReadonlyArray<string | number> | undefined;
  readonly extensions?: Readonly<Record<string, unknown>> | undefined;
};

/** Events are missing at this place of the stream: read the state anew. The events from now on follow. */
export type ResumeGap = {
  /** `FOREIGN_EPOCH`, `BEYOND_END` or `OUT_OF_RETENTION`; undefined if the document does not select it. More may be added. */
  reason: string | undefined;
  /** Before the oldest event that the log keeps; undefined if the document does not select it. */
  oldestCursor: string | undefined;
};

/** What a message of `events` or `cluster` is to the client, whatever else was selected. */
export type StreamMessage = {
  __typename?: unknown;
  cursor?: unknown;
  events?: unknown;
  cluster?: unknown;
  reason?: unknown;
  oldestCursor?: unknown;
};

/** The message of a result; null if there is none in it. */
export function messageOf({ data }: Result, responseKey: string): StreamMessage | null {
  const message = data?.[responseKey];
  return typeof message === 'object' && message !== null ? message : null;
}

/** Null if the message is not a gap. */
export function gapOf({ __typename, reason, oldestCursor }: StreamMessage): ResumeGap | null {
  if (__typename !== 'ResumeGap' && reason === undefined && oldestCursor === undefined) return null;
  return { reason: textOf(reason), oldestCursor: textOf(oldestCursor) };
}

/** Null if the message carries none. */
export const cursorOf = ({ cursor }: StreamMessage): string | null => textOf(cursor) ?? null;

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
