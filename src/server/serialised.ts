import type { ExecutionResult } from 'graphql';

const texts = new WeakMap<ExecutionResult, Buffer>();

/** A result as JSON in UTF-8. One that several subscribers share is written once. */
export function serialised(result: ExecutionResult): Buffer {
  const text = texts.get(result) ?? Buffer.from(JSON.stringify(result));
  texts.set(result, text);
  return text;
}
