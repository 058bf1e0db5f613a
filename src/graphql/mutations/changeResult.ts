import { builder } from '../builder.ts';
import { OperationPlanned } from '../types/OperationPlanned.ts';
import type { acceptedPayload } from './acceptedPayload.ts';

type Payload = ReturnType<typeof acceptedPayload>;
type ErrorClass = new (...args: never[]) => Error;

/**
 * The result of a mutation that goes through `acceptOrPlan`: its payload, the plan where only that was asked for, or why it was
 * refused. A member of its own, so that nobody who asks for the change itself has an operation that may be null.
 */
export function changeResult(mutation: string, payload: Payload, errors: readonly ErrorClass[]) {
  return builder.errorUnion(`${mutation.slice(0, 1).toUpperCase()}${mutation.slice(1)}Result`, {
    description:
      'The payload, the plan where only that was asked for, or why the request was refused. More errors may be added.',
    types: [payload, OperationPlanned, ...errors],
    resolveType: (value) => ('steps' in value ? OperationPlanned : payload),
  });
}
