import { randomUUID } from 'node:crypto';
import { type ExecutionResult, GraphQLError } from 'graphql';
import { expectedError } from '#graphql/errors.ts';
import type { Logger } from '#lib/log/logger.ts';

/**
 * What may leave: an expected failure with its code. Anything else becomes an id, under which the log tells the rest.
 */
export function maskError(error: unknown, logger: Logger): GraphQLError {
  const { nodes, path } = error instanceof GraphQLError ? error : { nodes: undefined, path: undefined };
  const expected = expectedError(error);
  // A variable that does not fit its type comes without a code.
  if (expected !== null && expected.extensions.code === undefined)
    return located(expected.message, { code: 'BAD_USER_INPUT' });
  if (expected === error) return expected as GraphQLError;
  if (expected !== null) return located(expected.message, expected.extensions);
  const errorId = randomUUID();
  logger.error(
    { err: error instanceof GraphQLError ? (error.originalError ?? error) : error, errorId },
    'a GraphQL request failed',
  );
  return located(`Internal error ${errorId}`, { code: 'INTERNAL_ERROR', errorId });

  function located(message: string, extensions: GraphQLError['extensions']): GraphQLError {
    return new GraphQLError(message, { nodes: nodes ?? null, path: path ?? null, extensions });
  }
}

/** The result with what may leave of its errors. */
export function maskedResult(result: ExecutionResult, logger: Logger): ExecutionResult {
  if (result.errors === undefined) return result;
  return { ...result, errors: result.errors.map((error) => maskError(error, logger)) };
}
