import type { IncomingMessage, ServerResponse } from 'node:http';
import { authenticate } from '#auth/authenticate.ts';
import { bearerToken } from '#auth/bearerToken.ts';
import type { Actor } from '#domain/actor.ts';
import type { GraphqlDeps } from '#graphql/context.ts';
import { unauthenticated } from '#graphql/errors.ts';
import type { GraphqlYoga } from './graphqlYoga.ts';
import type { KeyWatch } from './keyWatch.ts';
import { sendJson } from './sendJson.ts';

type GraphqlHttpDeps = { yoga: GraphqlYoga; keyWatch: KeyWatch; operations: GraphqlDeps['operations'] };

/** GraphQL over HTTP. Without a key nothing is read: what a stranger sends costs one look at a header. */
export function createGraphqlHttp({ yoga, keyWatch, operations }: GraphqlHttpDeps) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const actor = await signIn(operations, request);
    if (actor === 'unknown') {
      return refuse(response, 503, {
        message: 'The store does not answer. Try again soon.',
        code: 'STORE_UNAVAILABLE',
      });
    }
    if (actor === null) {
      const { message, extensions } = unauthenticated();
      return refuse(response, 401, { message, code: extensions.code }, { 'www-authenticate': 'Bearer' });
    }
    if (request.method === 'POST' && !isJson(request.headers['content-type'])) {
      return refuse(response, 415, {
        message: 'Send the request as application/json.',
        code: 'UNSUPPORTED_MEDIA_TYPE',
      });
    }
    if (request.method === 'GET' && !hasReadableVariables(request)) {
      return refuse(response, 400, { message: 'The variables are not a JSON object.', code: 'BAD_REQUEST' });
    }
    response.once(
      'close',
      keyWatch.watch(actor, () => cutStream(response)),
    );
    await yoga(request, response, { actor });
  };
}

/** Null: the key is none. "unknown": the store could not be asked. */
async function signIn(
  operations: GraphqlDeps['operations'],
  request: IncomingMessage,
): Promise<Actor | null | 'unknown'> {
  try {
    return await authenticate(operations, bearerToken(request.headers.authorization));
  } catch (error) {
    operations.logger.warn({ err: error }, 'a key could not be checked');
    return 'unknown';
  }
}

/** yoga takes a fault in them for one of its own. */
function hasReadableVariables({ url = '' }: IncomingMessage): boolean {
  const variables = new URL(url, 'http://localhost').searchParams.get('variables');
  if (variables === null || variables === '') return true;
  try {
    const parsed: unknown = JSON.parse(variables);
    return typeof parsed === 'object' && !Array.isArray(parsed);
  } catch {
    return false;
  }
}

function refuse(
  response: ServerResponse,
  status: number,
  error: { message: string; code: unknown },
  headers = {},
): void {
  sendJson(response, status, { errors: [{ message: error.message, extensions: { code: error.code } }] }, headers);
}

function isJson(contentType: string | undefined): boolean {
  return /^application\/json *(;|$)/i.test(contentType ?? '');
}

/** What has begun and has no end yet. An answer that is whole goes out: whoever revokes the own key hears of it. */
function cutStream(response: ServerResponse): void {
  if (response.headersSent && !response.writableEnded) response.destroy();
}
