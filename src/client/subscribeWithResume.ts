import type { Client } from 'graphql-ws';
import { ResumingStream } from './resumingStream.ts';
import type { ResumableSubscription, ResumeOptions, ResumeRequest, ResumeSink } from './resumption.ts';

/**
 * Subscribes and stays subscribed, whatever becomes of the connection or the server: each event once and in order. A log's stream
 * goes on after the last cursor; `cluster` without one begins with a snapshot again. Ends only for what coming back cannot cure.
 * The client should not retry by itself (`retryAttempts: 0`, as `createGroveClient` has it). Throws a TypeError if the document cannot be resumed.
 */
export function subscribeWithResume<Data = Record<string, unknown>>(
  client: Client,
  request: ResumeRequest,
  sink: ResumeSink<Data>,
  options: ResumeOptions = {},
): ResumableSubscription {
  const stream = new ResumingStream(client, request, sink as ResumeSink<Record<string, unknown>>, options);
  stream.resume();
  return {
    unsubscribe: () => stream.unsubscribe(),
    pause: () => stream.pause(),
    resume: () => stream.resume(),
  };
}
