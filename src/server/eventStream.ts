import type { ExecutionResult } from 'graphql';
import type { FetchAPI, Plugin } from 'graphql-yoga';
import { isAsyncIterable } from 'graphql-yoga';
import type { Logger } from '#lib/log/logger.ts';
import { serialised } from './serialised.ts';

const MEDIA_TYPE = 'text/event-stream';
const JSON_TYPE = 'application/json';
/** Proxies drop connections that are silent for long. */
const PING_MS = 12_000;

type Serving = { closing: () => boolean; logger: Logger };

/**
 * Subscriptions as server-sent events (the distinct connections mode of graphql-sse), where each message that has a cursor carries
 * it as its id: a client that comes back sends it as Last-Event-ID. When the server closes, the stream breaks off without
 * `complete`, so that clients come back.
 */
export function useEventStream(serving: Serving): Plugin {
  return {
    onResultProcess({ request, result, resultProcessor, setResultProcessor }) {
      if (!isAsyncIterable(result)) return;
      // Yoga has looked at what the client accepts before: it has chosen its own event stream, or nothing. A client that says
      // nothing of it expects JSON (GraphQL over HTTP), where yoga would take it to accept everything.
      if (resultProcessor === undefined || request.headers.get('accept') === null)
        setResultProcessor((_result, fetchAPI) => notAcceptable(result, fetchAPI), JSON_TYPE);
      else setResultProcessor((_result, fetchAPI) => eventStream(result, fetchAPI, serving), MEDIA_TYPE);
    },
  };
}

async function notAcceptable(results: AsyncIterable<ExecutionResult>, fetchAPI: FetchAPI): Promise<Response> {
  await results[Symbol.asyncIterator]().return?.();
  const message = `A subscription is answered as ${MEDIA_TYPE}: accept that, or subscribe over a WebSocket.`;
  const body = JSON.stringify({ errors: [{ message, extensions: { code: 'NOT_ACCEPTABLE' } }] });
  return new fetchAPI.Response(body, { status: 406, headers: { 'content-type': JSON_TYPE } });
}

function eventStream(
  results: AsyncIterable<ExecutionResult>,
  fetchAPI: FetchAPI,
  { closing, logger }: Serving,
): Response {
  const iterator = results[Symbol.asyncIterator]();
  const encoder = new fetchAPI.TextEncoder();
  let ping: NodeJS.Timeout;
  const body = new fetchAPI.ReadableStream<Uint8Array>({
    start(controller) {
      // Something at once: some browsers report the connection as open only then.
      controller.enqueue(encoder.encode(':\n\n'));
      ping = setInterval(() => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(':\n\n'));
      }, PING_MS);
    },
    async pull(controller) {
      try {
        const { done, value } = await iterator.next();
        if (!done) return controller.enqueue(nextEvent(value));
        if (!closing()) controller.enqueue(encoder.encode('event: complete\ndata:\n\n'));
      } catch (error) {
        // Nobody would catch it, and the process would end. The client is not told `complete`, and comes back.
        logger.error({ err: error }, 'an event stream broke');
      }
      clearInterval(ping);
      controller.close();
    },
    async cancel() {
      clearInterval(ping);
      await iterator.return?.();
    },
  });
  const headers = { 'content-type': MEDIA_TYPE, 'cache-control': 'no-cache', 'x-accel-buffering': 'no' };
  return new fetchAPI.Response(body, { status: 200, headers });
}

function nextEvent(result: ExecutionResult): Uint8Array {
  const cursor = cursorOf(result);
  const head = `${cursor === null ? '' : `id: ${cursor}\n`}event: next\ndata: `;
  return Buffer.concat([Buffer.from(head), serialised(result), Buffer.from('\n\n')]);
}

/** A subscription has one root field; its messages carry their cursor if the client selects it. */
function cursorOf({ data }: ExecutionResult): string | null {
  const [message] = Object.values(data ?? {});
  const cursor = typeof message === 'object' && message !== null && 'cursor' in message ? message.cursor : null;
  return typeof cursor === 'string' ? cursor : null;
}
