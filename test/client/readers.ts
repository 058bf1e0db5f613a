import { ApolloClient, gql, InMemoryCache } from '@apollo/client';
import { Client as UrqlClient } from '@urql/core';
import type { Client } from 'graphql-ws';
import { onTestFinished } from 'vitest';
import { ResumeLink } from '#client/apollo.ts';
import { iterateWithResume } from '#client/iterateWithResume.ts';
import type { ResumeOptions, ResumeRequest } from '#client/resumption.ts';
import { subscribeWithResume } from '#client/subscribeWithResume.ts';
import { resumeExchange } from '#client/urql.ts';
import type { Shape } from '../support/apiClient.ts';

export const eventsDocument = /* GraphQL */ `subscription Watch($after: Cursor, $filter: EventFilter) {
  events(after: $after, filter: $filter) {
    __typename
    ... on EventBatch { cursor events { cursor type toStatus payload } }
    ... on Heartbeat { cursor }
    ... on ResumeGap { reason oldestCursor }
    ... on SlowSubscriber { cursor }
  }
}`;

/** What one subscription was told. */
export type Told = { messages: Shape[]; events: Shape[]; gaps: Shape[]; errors: unknown[]; completed: number };

const nothing = (): Told => ({ messages: [], events: [], gaps: [], errors: [], completed: 0 });

/** Notes the messages, for whatever name the field has. */
function noting(told: Told) {
  return {
    next({ data, error }: Shape) {
      if (error) told.errors.push(error);
      if (!data) return;
      const [message] = Object.values(data) as Shape[];
      told.messages.push(message);
      told.events.push(...(message.events ?? []));
    },
    error: (error: unknown) => void told.errors.push(error),
    complete: () => {
      told.completed += 1;
    },
  };
}

type Read = (client: Client, request: ResumeRequest, options?: ResumeOptions) => Told;

/** Every way to read a stream that resumes. Each ends with the test. */
export const readers: Record<'subscribeWithResume' | 'iterateWithResume' | 'urql' | 'Apollo Client', Read> = {
  subscribeWithResume(client, request, options = {}) {
    const told = nothing();
    const onGap: ResumeOptions['onGap'] = (gap) => told.gaps.push(gap);
    const { unsubscribe } = subscribeWithResume(client, request, noting(told), { onGap, ...options });
    onTestFinished(unsubscribe);
    return told;
  },

  iterateWithResume(client, request, options = {}) {
    const told = nothing();
    const { next, error, complete } = noting(told);
    const leaving = new AbortController();
    const onGap: ResumeOptions['onGap'] = (gap) => told.gaps.push(gap);
    const read = async () => {
      const messages = iterateWithResume(client, request, { onGap, ...options, signal: leaving.signal });
      for await (const message of messages) next(message);
    };
    void read().then(complete, error);
    onTestFinished(() => leaving.abort());
    return told;
  },

  urql(client, { query, variables = {} }, options = {}) {
    const told = nothing();
    const exchange = resumeExchange({ client, ...options, onGap: (gap) => told.gaps.push(gap) });
    const urql = new UrqlClient({ url: 'http://127.0.0.1/unused', exchanges: [exchange], preferGetMethod: false });
    const { next } = noting(told);
    const { unsubscribe } = urql.subscription(query, variables).subscribe(next);
    onTestFinished(unsubscribe);
    return told;
  },

  'Apollo Client'(client, { query, variables = {} }, options = {}) {
    const told = nothing();
    const link = new ResumeLink({ client, ...options, onGap: (gap) => told.gaps.push(gap) });
    const apollo = new ApolloClient({ link, cache: new InMemoryCache() });
    const subscription = apollo
      .subscribe({ query: gql(query), variables, fetchPolicy: 'no-cache' })
      .subscribe(noting(told));
    onTestFinished(() => {
      subscription.unsubscribe();
      apollo.stop();
    });
    return told;
  },
};
