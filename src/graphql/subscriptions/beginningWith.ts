type Beginning<T> = { first: T; rest: AsyncIterable<T, void> };

/**
 * A stream that says something first and is another one from then on. No generator: each message would go through it, and every
 * subscriber would hold one. It can be ended while it waits.
 */
export function beginningWith<T>(begin: () => Promise<Beginning<T>>): AsyncIterableIterator<T, void> {
  return new BeginningWith(begin);
}

class BeginningWith<T> implements AsyncIterableIterator<T, void> {
  #begin: (() => Promise<Beginning<T>>) | null;
  #rest: AsyncIterator<T, void> | null = null;
  #ended = false;

  constructor(begin: () => Promise<Beginning<T>>) {
    this.#begin = begin;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, void>> {
    return this.#rest === null ? this.#first() : this.#rest.next();
  }

  async return(): Promise<IteratorReturnResult<void>> {
    this.#ended = true;
    await this.#rest?.return?.();
    return { done: true, value: undefined };
  }

  async #first(): Promise<IteratorResult<T, void>> {
    const begin = this.#begin;
    this.#begin = null;
    if (begin === null || this.#ended) return { done: true, value: undefined };
    const { first, rest } = await begin();
    // The reader may have left meanwhile. What nobody has asked anything of holds nothing.
    if (this.#ended) return { done: true, value: undefined };
    this.#rest = rest[Symbol.asyncIterator]();
    return { done: false, value: first };
  }
}
