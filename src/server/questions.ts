import {
  type ExecutionArgs,
  type ExecutionResult,
  executeSubscriptionEvent,
  type ValidatedSubscriptionArgs,
} from 'graphql';
import { shareKeyOf } from '#graphql/shareKey.ts';
import type { Logger } from '#lib/log/logger.ts';
import { maskError, maskedResult } from './maskError.ts';

/** What one or more subscribers ask of each message, in the name of the first of them. */
export type Question = {
  /** The same object for the same message. Errors are masked. */
  resultOf(message: unknown): ExecutionResult | Promise<ExecutionResult>;
  /** To be called once by each that asks, when it asks no more. */
  leave(): void;
};

/** Gives the same question to those that may be given the same answers, as long as any of them is there. */
export class Questions {
  readonly #logger: Logger;
  readonly #shared = new Map<string, SharedQuestion>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  ask(args: ExecutionArgs, validated: ValidatedSubscriptionArgs): Question {
    const key = shareKeyOf(args);
    if (key === null) return { resultOf: (message) => execute(validated, message, this.#logger), leave: () => {} };
    const question =
      this.#shared.get(key) ?? new SharedQuestion(validated, this.#logger, () => this.#shared.delete(key));
    this.#shared.set(key, question);
    question.askers += 1;
    return question;
  }
}

class SharedQuestion implements Question {
  askers = 0;
  readonly #args: ValidatedSubscriptionArgs;
  readonly #logger: Logger;
  readonly #onEnd: () => void;
  /** They go with their messages. */
  readonly #results = new WeakMap<object, ExecutionResult | Promise<ExecutionResult>>();

  constructor(args: ValidatedSubscriptionArgs, logger: Logger, onEnd: () => void) {
    this.#args = args;
    this.#logger = logger;
    this.#onEnd = onEnd;
  }

  resultOf(message: unknown): ExecutionResult | Promise<ExecutionResult> {
    if (typeof message !== 'object' || message === null) return execute(this.#args, message, this.#logger);
    const known = this.#results.get(message);
    if (known !== undefined) return known;
    const result = execute(this.#args, message, this.#logger);
    this.#results.set(message, result);
    // Whoever comes later need not wait for what is there.
    if (result instanceof Promise) result.then((settled) => this.#results.set(message, settled)).catch(() => {});
    return result;
  }

  leave(): void {
    this.askers -= 1;
    if (this.askers === 0) this.#onEnd();
  }
}

function execute(
  args: ValidatedSubscriptionArgs,
  message: unknown,
  logger: Logger,
): ExecutionResult | Promise<ExecutionResult> {
  const result = executeSubscriptionEvent({ ...args, rootValue: message });
  if (!(result instanceof Promise)) return maskedResult(result, logger);
  return result.then(
    (settled) => maskedResult(settled, logger),
    (error: unknown) => Promise.reject(maskError(error, logger)),
  );
}
