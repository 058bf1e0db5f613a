import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { guardedLookup, RefusedTargetError, type Resolve } from './guardedLookup.ts';

export type Post = {
  url: URL;
  headers: Record<string, string>;
  body: string;
  /** What of it no answer may show. */
  struckOut: readonly string[];
  agent: HttpAgent;
  allowedNetworks: readonly string[];
  timeoutMs: number;
  /** Breaks the request off. */
  signal: AbortSignal;
  resolve?: Resolve | undefined;
};

/** How an attempt ended. `httpStatus` null: no answer came. `answer` is the beginning of the body of a refusal. */
export type PostOutcome =
  | { kind: 'DELIVERED'; httpStatus: number }
  | { kind: 'FAILED'; httpStatus: number | null; error: string; answer: string | null }
  /** The process stops; whether it arrived is not known. */
  | { kind: 'INTERRUPTED'; httpStatus: null; error: string; answer: null };

const readBytes = 4096;
const answerLength = 200;

/** Connections to one receiver, one at a time. Ends with `destroy()`. */
export function createConnection(url: URL): HttpAgent {
  const options = { keepAlive: true, maxSockets: 1 };
  return url.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
}

/** One request. Redirects are not followed: they are failures like everything but 2xx. Never throws. */
export async function post(request: Post): Promise<PostOutcome> {
  const timeout = AbortSignal.timeout(request.timeoutMs);
  try {
    return await outcomeOf(await send(request, AbortSignal.any([timeout, request.signal])), request.struckOut);
  } catch (error) {
    if (request.signal.aborted) {
      const stopped = 'Grove stopped before the answer came; the message is sent again.';
      return { kind: 'INTERRUPTED', httpStatus: null, error: stopped, answer: null };
    }
    const message = timeout.aborted ? `no answer within ${request.timeoutMs / 1000} s` : inWords(error);
    return { kind: 'FAILED', httpStatus: null, error: message, answer: null };
  }
}

async function send(
  { url, headers, body, agent, allowedNetworks, resolve }: Post,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const lookup = guardedLookup(url, { allowedNetworks, resolve });
  return await new Promise((onResponse, reject) => {
    const request = url.protocol === 'https:' ? requestHttps : requestHttp;
    request(url, { method: 'POST', agent, lookup, signal, headers: { ...headers, 'user-agent': 'Grove' } }, onResponse)
      .on('error', reject)
      .end(body);
  });
}

/** The status decides. Of the body only the beginning is read, and a receiver that goes on writing is cut off. */
async function outcomeOf(response: IncomingMessage, struckOut: readonly string[]): Promise<PostOutcome> {
  const { statusCode: httpStatus = 0, statusMessage = '' } = response;
  const body = shown(await beginningOf(response), struckOut);
  if (httpStatus >= 200 && httpStatus < 300) return { kind: 'DELIVERED', httpStatus };
  const redirected = httpStatus >= 300 && httpStatus < 400 ? '; redirects are not followed' : '';
  const error = `the receiver answered ${httpStatus} ${shown(statusMessage, struckOut)}`.trimEnd() + redirected;
  return { kind: 'FAILED', httpStatus, error, answer: body === '' ? null : body };
}

async function beginningOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= readBytes) break;
    }
  } catch {
    // What came is enough.
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Text of the receiver's, as it can be stored and shown on one line. What is struck out is so before the rest is cut off. */
function shown(text: string, struckOut: readonly string[]): string {
  return struckOut
    .reduce((left, secret) => left.replaceAll(secret, '[redacted]'), text)
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .slice(0, answerLength)
    .toWellFormed();
}

const words: Record<string, string> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection broke off',
  EPIPE: 'the connection broke off',
  ENOTFOUND: 'the name of the host is not known',
  EAI_AGAIN: 'the name service does not answer',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ETIMEDOUT: 'the connection could not be made in time',
};

/** The messages of system errors name addresses; their codes do not. */
function inWords(error: unknown): string {
  if (error instanceof RefusedTargetError) return error.message;
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  return `${words[code] ?? 'the request failed'} (${code})`;
}
