import type { ResultError } from './messages.ts';

/** The stream has ended for good: coming back with the same key and document would end the same way. */
export class StreamRefusedError extends Error {
  override readonly name = 'StreamRefusedError';
  /** The close code of the WebSocket; null if the server answered with errors. */
  readonly closeCode: number | null;
  /** The server's errors, each with its `extensions.code`; empty if the socket was closed. */
  readonly errors: readonly ResultError[];

  constructor(
    message: string,
    { closeCode = null, errors = [] }: Partial<Pick<StreamRefusedError, 'closeCode' | 'errors'>>,
  ) {
    super(message);
    this.closeCode = closeCode;
    this.errors = errors;
  }
}

/** Why an attempt ended, and whether to come back. */
export type StreamEnd = { comeBack: true; reason: string; later: boolean } | { comeBack: false; error: Error };

const FORBIDDEN = 4403;
const TRY_AGAIN_LATER = 1013;
/** The client itself is at fault; graphql-ws has 4004 and 4005 for what it closes of itself. */
const faultsOfTheClient = [4004, 4005, 4400, 4401, 4406, 4408, 4409, 4429];
const passing = ['INTERNAL_ERROR', 'STORE_UNAVAILABLE'];

/** Judges what graphql-ws gives as an error: errors of the server, how the socket was closed, or that it could not be opened. */
export function streamEnd(error: unknown): StreamEnd {
  if (Array.isArray(error)) return endByErrors(error as ResultError[]);
  const { code, reason, message } = (error ?? {}) as { code?: unknown; reason?: unknown; message?: unknown };
  if (typeof code === 'number') return endByClose(code, typeof reason === 'string' ? reason : '');
  const why = typeof message === 'string' && message !== '' ? message : 'the server could not be reached';
  return { comeBack: true, reason: why, later: false };
}

/** A fault that may pass by itself is none to end for. */
export function endByErrors(errors: readonly ResultError[]): StreamEnd {
  const reason = errors.map(({ message }) => message).join('; ');
  const passes = errors.length > 0 && errors.every(({ extensions }) => passing.includes(String(extensions?.code)));
  if (passes) return { comeBack: true, reason, later: false };
  return { comeBack: false, error: new StreamRefusedError(reason, { errors }) };
}

function endByClose(closeCode: number, reason: string): StreamEnd {
  const said = `${closeCode}${reason === '' ? '' : ` ${reason}`}`;
  if (closeCode === FORBIDDEN) {
    const message = `The server refused the key (${said}): it is not valid, was revoked or has expired. Come back with another one.`;
    return { comeBack: false, error: new StreamRefusedError(message, { closeCode }) };
  }
  if (faultsOfTheClient.includes(closeCode)) {
    const message = `The connection was closed for a fault of the client (${said}).`;
    return { comeBack: false, error: new StreamRefusedError(message, { closeCode }) };
  }
  return { comeBack: true, reason: `the connection was closed (${said})`, later: closeCode === TRY_AGAIN_LATER };
}
