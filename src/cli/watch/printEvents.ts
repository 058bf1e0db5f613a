import type { Client } from 'graphql-ws';
import { iterateWithResume } from '#client/iterateWithResume.ts';
import { eventFields } from './documents.ts';

const document = /* GraphQL */ `subscription Events($after: Cursor) {
  events(after: $after) {
    __typename
    ... on EventBatch { cursor events { ${eventFields} actor { kind name role } } }
    ... on Heartbeat { cursor at }
    ... on ResumeGap { reason oldestCursor }
    ... on SlowSubscriber { cursor }
  }
}`;

type Message = { __typename: string; events?: object[]; reason?: string; oldestCursor?: string };
type Printing = {
  client: Client;
  /** Null: from now on. */
  after: string | null;
  stdout: NodeJS.WritableStream;
  stderr: NodeJS.WritableStream;
};

/**
 * Prints each event as a line of JSON until nobody reads any more. Where events are missing a line says so: `{"gap":{…}}`.
 * Ends with an error for what coming back cannot cure.
 */
export async function printEvents({ client, after, stdout, stderr }: Printing): Promise<void> {
  const leaving = new AbortController();
  // Whoever reads the pipe may close it, as head does.
  stdout.on('error', () => leaving.abort());
  const options = {
    signal: leaving.signal,
    onStatus(status: { state: string; reason?: string }) {
      if (status.state === 'waiting') stderr.write(`grove: reconnecting: ${status.reason}\n`);
    },
  };
  const answers = iterateWithResume<{ events: Message }>(client, { query: document, variables: { after } }, options);
  for await (const { data } of answers) {
    const { events = [], reason, oldestCursor } = data?.events ?? {};
    if (reason !== undefined) stdout.write(`${JSON.stringify({ gap: { reason, oldestCursor } })}\n`);
    for (const event of events) stdout.write(`${JSON.stringify(event)}\n`);
  }
}
