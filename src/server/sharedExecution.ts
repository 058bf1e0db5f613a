import { createSourceEventStream, type ExecutionArgs, type ExecutionResult, validateSubscriptionArgs } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Actor } from '#domain/actor.ts';
import type { Context } from '#graphql/context.ts';
import type { Logger } from '#lib/log/logger.ts';
import type { KeyWatch } from './keyWatch.ts';
import { maskError, maskedResult } from './maskError.ts';
import { type Question, Questions } from './questions.ts';

export type SharedExecution = {
  /** As graphql's function of this name, but that every error is masked. */
  subscribe(args: ExecutionArgs): Promise<AsyncIterableIterator<ExecutionResult, void> | ExecutionResult>;
};

type SharedExecutionDeps = { keyWatch: KeyWatch; logger: Logger };

/**
 * Subscribers that are handed the same message and ask the same of it are given the same result, executed once. The feed hands
 * the same message to those that are at the same place; whoever replays or is slow has messages, and so executions, of its own.
 * Whether the subscriber's key is still in force is asked again before each.
 */
export function createSharedExecution(deps: SharedExecutionDeps): SharedExecution {
  const questions = new Questions(deps.logger);
  return {
    async subscribe(args) {
      const validated = validateSubscriptionArgs(args);
      if (!('schema' in validated)) return maskedResult({ errors: validated }, deps.logger);
      const messages = await createSourceEventStream(validated);
      if (!(Symbol.asyncIterator in messages)) return maskedResult(messages, deps.logger);
      const { actor } = args.contextValue as Context;
      const question = questions.ask(args, validated);
      return new Responses(deps, { messages: messages[Symbol.asyncIterator](), question, actor });
    },
  };
}

/** For subscriptions that come through yoga. */
export function useSharedExecution({ subscribe }: SharedExecution): Plugin {
  return { onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribe) };
}

type Asker = { messages: AsyncIterator<unknown>; question: Question; actor: Actor | null };
type Response = IteratorResult<ExecutionResult, void>;

/** No generator and no async function: there are thousands of these, and each message goes through all. */
class Responses implements AsyncIterableIterator<ExecutionResult, void> {
  readonly #deps: SharedExecutionDeps;
  readonly #messages: AsyncIterator<unknown>;
  readonly #actor: Actor | null;
  /** Null: it has ended. */
  #question: Question | null;

  constructor(deps: SharedExecutionDeps, { messages, question, actor }: Asker) {
    this.#deps = deps;
    this.#messages = messages;
    this.#question = question;
    this.#actor = actor;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Response> {
    return this.#messages.next().then(this.#answer, this.#fail);
  }

  async return(): Promise<IteratorReturnResult<void>> {
    this.#leave();
    await this.#messages.return?.();
    return { done: true, value: undefined };
  }

  readonly #answer = ({ done, value }: IteratorResult<unknown>): Response | Promise<Response> => {
    if (done || this.#question === null) return this.return();
    const result = this.#question.resultOf(value);
    return result instanceof Promise ? result.then((settled) => this.#handOver(settled)) : this.#handOver(result);
  };

  readonly #fail = (error: unknown): never => {
    this.#leave();
    throw maskError(error, this.#deps.logger);
  };

  #handOver(result: ExecutionResult): Response | Promise<Response> {
    const isInForce = this.#actor !== null && this.#deps.keyWatch.isInForce(this.#actor);
    return isInForce ? { done: false, value: result } : this.return();
  }

  #leave(): void {
    this.#question?.leave();
    this.#question = null;
  }
}
