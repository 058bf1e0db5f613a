import type { Operation } from '#generated/prisma/client.ts';

/** Why an operation did not end well, as it is stored and shown. */
export type OperationError = {
  code: string;
  message: string;
  /** Name of the step that failed. Null: none did. */
  step: string | null;
  /** True: `retryOperation` may succeed without anything being changed first. */
  retryable: boolean;
};

/**
 * How an operation ends badly. Recorded before anything is taken back: a worker that takes the operation up afterwards runs no step of
 * it, and ends it with this.
 */
export type Ending = {
  status: 'FAILED' | 'CANCELLED';
  error: OperationError;
  /** Key of the step that failed. Null: none did. */
  stepKey: string | null;
};

/** Null: the operation is not known to end badly. */
export const endingOf = ({ ending }: Pick<Operation, 'ending'>): Ending | null => ending as Ending | null;
