import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  executeSubscriptionEvent,
  type ValidatedSubscriptionArgs,
  validateSubscriptionArgs,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Context } from '#graphql/context.ts';
import { shareKeyOf } from '#graphql/shareKey.ts';
import type { KeyWatch } from './keyWatch.ts';

/** What each message was made into, by the key of who may share it. Goes with the message. */
type SharedResults = WeakMap<object, Map<string, Promise<ExecutionResult>>>;

/**
 * Subscribers that are handed the same message and ask the same of it are given the same result, executed once. The feed hands
 * the same message to those that are at the same place; whoever replays or is slow has messages, and so executions, of its own. Whether the subscriber's key is still in force is asked
 * again before each.
 */
export function useSharedExecution(keyWatch: KeyWatch): Plugin {
  const results: SharedResults = new WeakMap();
  return {
    onSubscribe({ setSubscribeFn }) {
      setSubscribeFn((args: ExecutionArgs) => subscribeSharing(args, { results, keyWatch }));
    },
  };
}

type Sharing = { results: SharedResults; keyWatch: KeyWatch };

async function subscribeSharing(
  args: ExecutionArgs,
  { results, keyWatch }: Sharing,
): Promise<AsyncIterable<ExecutionResult> | ExecutionResult> {
  const validated = validateSubscriptionArgs(args);
  if (!('schema' in validated)) return { errors: validated };
  const source = await createSourceEventStream(validated);
  if (!(Symbol.asyncIterator in source)) return source;
  const key = shareKeyOf(args);
  const { actor } = args.contextValue as Context;
  const messages = source[Symbol.asyncIterator]();
  const end = async (): Promise<IteratorReturnResult<undefined>> => {
    await messages.return?.();
    return { done: true, value: undefined };
  };
  const responses: AsyncIterableIterator<ExecutionResult> = {
    [Symbol.asyncIterator]: () => responses,
    async next() {
      const { done, value } = await messages.next();
      if (done) return { done, value: undefined };
      const result = await resultOf(validated, value, { key, results });
      return actor !== null && keyWatch.isInForce(actor) ? { done: false, value: result } : end();
    },
    return: end,
  };
  return responses;
}

async function resultOf(
  args: ValidatedSubscriptionArgs,
  message: unknown,
  { key, results }: { key: string | null; results: SharedResults },
): Promise<ExecutionResult> {
  const execute = async () => executeSubscriptionEvent({ ...args, rootValue: message });
  if (key === null || typeof message !== 'object' || message === null) return execute();
  const ofMessage = results.get(message) ?? new Map<string, Promise<ExecutionResult>>();
  results.set(message, ofMessage);
  const result = ofMessage.get(key) ?? execute();
  ofMessage.set(key, result);
  return result;
}
