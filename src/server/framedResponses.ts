import type { ExecutionResult } from 'graphql';
import { serialised } from './serialised.ts';
import { textFrame } from './textFrame.ts';

type Framing = {
  /** The id that the client gave to its subscription. */
  id: string;
  /** Returns a promise where the next message should wait: whoever reads slowly is sent slowly. */
  sendFrame(frame: Buffer): Promise<void> | undefined;
};

const tail = Buffer.from('}');

/**
 * A stream for graphql-ws that sends its `next` messages itself, so that a result that is shared is written as JSON once, and that
 * yields nothing. graphql-ws does the rest: it sees the end, or the error, and the client's `complete`.
 */
export function framedResponses(
  responses: AsyncIterable<ExecutionResult>,
  { id, sendFrame }: Framing,
): AsyncIterableIterator<never> {
  const iterator = responses[Symbol.asyncIterator]();
  const head = ownBuffer(`{"id":${JSON.stringify(id)},"type":"next","payload":`);
  let ended = false;
  const framed: AsyncIterableIterator<never> = {
    [Symbol.asyncIterator]: () => framed,
    async next() {
      while (!ended) {
        const { done, value } = await iterator.next();
        if (done) break;
        // The client may have completed it meanwhile: nothing may come after that.
        if (ended) break;
        const sending = sendFrame(textFrame(head, serialised(value), tail));
        if (sending !== undefined) await sending;
      }
      return { done: true, value: undefined };
    },
    async return() {
      ended = true;
      await iterator.return?.();
      return { done: true, value: undefined };
    },
  };
  return framed;
}

/** Not a piece of the common pool: kept for as long as the subscription, it would keep eight KiB of that. */
function ownBuffer(text: string): Buffer {
  const buffer = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  buffer.write(text);
  return buffer;
}
