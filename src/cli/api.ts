import { CliError } from './cliError.ts';
import type { Session } from './session.ts';

/** Queries and mutations of the public API. */
export type Api = {
  /** Throws a CliError. */
  query<Data>(document: string, variables?: Record<string, unknown>): Promise<Data>;
  /** What a mutation's result holds if it was accepted; throws a CliError with Grove's own words if not. */
  mutate<Payload>(document: string, variables: Record<string, unknown>): Promise<Payload>;
};

type Answer = { data?: Record<string, unknown> | null; errors?: { message: string; extensions?: { code?: string } }[] };

const TIMEOUT_MS = 30_000;

export function createApi(session: Session): Api {
  async function query<Data>(document: string, variables: Record<string, unknown> = {}): Promise<Data> {
    const { data, errors } = await ask(session, { query: document, variables });
    if (errors && errors.length > 0) throw fromErrors(session, errors);
    return data as Data;
  }
  return {
    query,
    async mutate(document, variables) {
      const [result] = Object.values(await query<Record<string, Refusal>>(document, variables));
      if (result?.code !== undefined) throw new CliError('refused', result.code, refusalText(result));
      return result as never;
    },
  };
}

type Refusal = { code?: string; message?: string; fields?: { path: string; message: string }[] };

function refusalText({ code, message = '', fields = [] }: Refusal): string {
  if (code === 'INVALID_INPUT') return fields.map((fault) => `${fault.path} ${fault.message}`).join('; ');
  return message;
}

async function ask({ urls, key }: Session, body: object): Promise<Answer> {
  const { response, url } = await post(urls, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  });
  const answer: unknown = await response.json().catch(() => null);
  if (typeof answer === 'object' && answer !== null && ('data' in answer || 'errors' in answer))
    return answer as Answer;
  throw new CliError(
    'unavailable',
    'NOT_GROVE',
    `${url} answers, but not as Grove does (HTTP ${response.status}). Is it another program's port?`,
  );
}

/** Of several URLs the next one is asked only if the one before cannot have heard the request. */
async function post(urls: readonly string[], request: RequestInit): Promise<{ response: Response; url: string }> {
  const tried: string[] = [];
  for (const url of urls) {
    try {
      return { response: await fetch(`${url}/graphql`, { ...request, signal: AbortSignal.timeout(TIMEOUT_MS) }), url };
    } catch (error) {
      const { cause, message } = error as Error & { cause?: { code?: string } };
      const why = cause?.code ?? message;
      tried.push(`${url} (${why})`);
      if (!notConnected.includes(why)) break;
    }
  }
  throw new CliError(
    'unavailable',
    'UNREACHABLE',
    `No Grove answers at ${tried.join(', nor at ')}. Start it with npm start, or say where it is with --url or GROVE_URL.`,
  );
}

const notConnected = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
];

const unavailable = ['INTERNAL_ERROR', 'STORE_UNAVAILABLE'];

function fromErrors(session: Session, errors: NonNullable<Answer['errors']>): CliError {
  const code = errors[0]?.extensions?.code ?? 'REFUSED';
  if (code === 'UNAUTHENTICATED') return keyRefused(session);
  const message = errors.map((error) => error.message).join('; ');
  return new CliError(unavailable.includes(code) ? 'unavailable' : 'refused', code, message);
}

/** The same for requests and for streams. */
export function keyRefused({ urls, keySource }: Pick<Session, 'urls' | 'keySource'>): CliError {
  const places = urls.join(',');
  return new CliError(
    'notSignedIn',
    'UNAUTHENTICATED',
    `${places} does not accept the key (${keySource}): it is not one of this Grove's, was revoked or has expired. Sign in with grove login --url ${places}.`,
  );
}
