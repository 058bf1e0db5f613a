import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { ApolloLink } from '@apollo/client/link';
import { print } from '@apollo/client/utilities';
import type { Client } from 'graphql-ws';
import { Observable } from 'rxjs';
import type { ResumeGap } from './messages.ts';
import type { ResumeOptions, ResumeSink } from './resumption.ts';
import { StreamRefusedError } from './streamEnd.ts';
import { subscribeWithResume } from './subscribeWithResume.ts';

export type ResumeLinkOptions = Omit<ResumeOptions, 'onGap'> & {
  client: Client;
  /** Events are missing from this subscription: read anew what it was to keep up to date. */
  onGap?: (gap: ResumeGap, operation: ApolloLink.Operation) => void;
};

/** The link of Apollo Client that runs subscriptions, each resumed after its last cursor. Takes the place of `GraphQLWsLink`. */
export class ResumeLink extends ApolloLink {
  readonly #options: ResumeLinkOptions;

  constructor(options: ResumeLinkOptions) {
    super();
    this.#options = options;
  }

  override request(operation: ApolloLink.Operation): Observable<ApolloLink.Result> {
    const { client, onGap, ...options } = this.#options;
    const { query, variables, operationName, extensions } = operation;
    const request = { query: print(query), variables, operationName, extensions };
    return new Observable((observer) => {
      const sink: ResumeSink<Record<string, unknown>> = {
        next: (result) => observer.next(result as ApolloLink.Result),
        error: (error) => observer.error(graphqlErrors(error) ?? error),
        complete: () => observer.complete(),
      };
      return subscribeWithResume(client, request, sink, { ...options, onGap: (gap) => onGap?.(gap, operation) });
    });
  }
}

/** As Apollo Client has them. Null: they are none of GraphQL. */
function graphqlErrors(error: Error): CombinedGraphQLErrors | null {
  if (!(error instanceof StreamRefusedError) || error.errors.length === 0) return null;
  return new CombinedGraphQLErrors({ errors: error.errors as never });
}
