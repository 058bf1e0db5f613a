import { type Exchange, type ExecutionResult, type Operation, subscriptionExchange } from '@urql/core';
import type { Client } from 'graphql-ws';
import type { ResumeGap } from './messages.ts';
import type { ResumeOptions, ResumeSink } from './resumption.ts';
import { StreamRefusedError } from './streamEnd.ts';
import { subscribeWithResume } from './subscribeWithResume.ts';

export type ResumeExchangeOptions = Omit<ResumeOptions, 'onGap'> & {
  client: Client;
  /** Events are missing from this subscription: read anew what it was to keep up to date. */
  onGap?: (gap: ResumeGap, operation: Operation) => void;
};

/** The exchange of urql that runs subscriptions, each resumed after its last cursor. Takes the place of `subscriptionExchange`. */
export function resumeExchange({ client, onGap, ...options }: ResumeExchangeOptions): Exchange {
  return subscriptionExchange({
    forwardSubscription: ({ query = '', variables, operationName, extensions }, operation) => ({
      subscribe: (observer) => {
        const request = { query, variables: variables ?? {}, operationName, extensions };
        const sink: ResumeSink<Record<string, unknown>> = {
          next: (result) => observer.next(result as ExecutionResult),
          // Errors of GraphQL are a list to urql, and any other is one of the network.
          error: (error) =>
            observer.error(error instanceof StreamRefusedError && error.errors.length > 0 ? error.errors : error),
          complete: () => observer.complete(),
        };
        return subscribeWithResume(client, request, sink, { ...options, onGap: (gap) => onGap?.(gap, operation) });
      },
    }),
  });
}
