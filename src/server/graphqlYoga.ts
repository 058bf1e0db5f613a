import type { GraphQLSchema } from 'graphql';
import { createYoga, useExecutionCancellation, type YogaServerInstance } from 'graphql-yoga';
import type { Actor } from '#domain/actor.ts';
import { createContext, type GraphqlDeps } from '#graphql/context.ts';
import { useEventStream } from './eventStream.ts';
import { useLastEventId } from './lastEventId.ts';
import { maskError } from './maskError.ts';
import { type SharedExecution, useSharedExecution } from './sharedExecution.ts';
import { useTokenLimit } from './tokenLimit.ts';

export const graphqlPath = '/graphql';

/** The longest request body and the longest WebSocket message. */
export const MAX_REQUEST_BYTES = 100 * 1024;

/** What the door hands on with each request. */
export type Caller = { actor: Actor };

export type GraphqlYoga = YogaServerInstance<Caller, ReturnType<typeof createContext>>;

/** Parses, validates and executes for both transports. Who calls is decided before it. */
export function createGraphqlYoga(
  deps: GraphqlDeps & { schema: GraphQLSchema },
  { sharedExecution, closing }: { sharedExecution: SharedExecution; closing: () => boolean },
): GraphqlYoga {
  const { logger } = deps.operations;
  return createYoga<Caller, ReturnType<typeof createContext>>({
    schema: deps.schema,
    context: ({ actor }) => createContext(deps, actor),
    graphqlEndpoint: graphqlPath,
    maskedErrors: { maskError: (error) => maskError(error, logger) },
    maxRequestBodySize: MAX_REQUEST_BYTES,
    plugins: [
      useTokenLimit(),
      useExecutionCancellation(),
      useLastEventId(),
      useSharedExecution(sharedExecution),
      useEventStream({ closing, logger }),
    ],
    logging: false,
    landingPage: false,
    graphiql: false,
    multipart: false,
    cors: false,
  });
}
