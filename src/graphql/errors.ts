import { GraphQLError } from 'graphql';
import type { Actor } from '#domain/actor.ts';
import { DomainError, NotFoundError } from '#domain/errors.ts';
import type { Context } from './context.ts';
import { queryLimits } from './queryLimits.ts';

/** The request carries no valid key. Says how to send one. */
export function unauthenticated(): GraphQLError {
  return new GraphQLError(
    'No valid API key came with this request. Send one in the header "Authorization: Bearer grv_…", or on a WebSocket as ' +
      'connection_init payload { "authorization": "Bearer grv_…" }.',
    { extensions: { code: 'UNAUTHENTICATED', http: { status: 401 } } },
  );
}

/** The key's role does not include what the field shows. */
export function forbidden(field: string, { required, role }: { required: string; role: string }): GraphQLError {
  return new GraphQLError(`${field} needs a key of role ${required}; this key has role ${role}.`, {
    extensions: { code: 'FORBIDDEN' },
  });
}

/** The request is well formed but cannot be meant: `message` says what was found and what is allowed. */
export function badUserInput(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT' } });
}

type QuerySizes = Partial<Record<'depth' | 'breadth' | 'complexity', number>>;

/** The operation asks for more than one operation may. */
export function tooComplex(kind: string, sizes: QuerySizes): GraphQLError {
  const size = kind.toLowerCase() as keyof QuerySizes;
  return new GraphQLError(
    `The operation's ${size} is ${sizes[size]}; at most ${queryLimits[size]} is allowed. Ask for less, or in several operations.`,
    { extensions: { code: 'QUERY_TOO_COMPLEX' } },
  );
}

/** There is no such thing in the project, where an answer cannot be null. */
export function notFound(what: string): GraphQLError {
  return fromDomain(new NotFoundError(what));
}

/** Does it, and turns an expected failure into a top-level error: for where there is no result union. */
export function expected<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw expectedError(error) ?? error;
  }
}

/** An expected failure outside of a result union, as a top-level error. Null: the error is not expected, and must be masked. */
export function expectedError(error: unknown): GraphQLError | null {
  if (error instanceof DomainError) return fromDomain(error);
  if (!(error instanceof GraphQLError)) return null;
  const { originalError } = error;
  if (originalError instanceof DomainError) return fromDomain(originalError);
  return originalError === undefined || originalError instanceof GraphQLError ? error : null;
}

function fromDomain(error: DomainError): GraphQLError {
  const { message, ...data } = error.toJSON();
  return new GraphQLError(String(message), { extensions: data });
}

/** The actor of a request that came past the door. */
export function requireActor({ actor }: Pick<Context, 'actor'>): Actor {
  if (actor === null) throw unauthenticated();
  return actor;
}
