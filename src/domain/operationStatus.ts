import type { OperationStatus } from '#generated/prisma/enums.ts';

/** Which status may follow which. FAILED and CANCELLED are left only by a retry. */
export const operationTransitions = {
  QUEUED: ['RUNNING', 'CANCELLING', 'FAILED', 'SUCCEEDED'],
  RUNNING: ['SUCCEEDED', 'FAILED', 'CANCELLING'],
  CANCELLING: ['CANCELLED', 'SUCCEEDED', 'FAILED'],
  SUCCEEDED: [],
  FAILED: ['QUEUED'],
  CANCELLED: ['QUEUED'],
} as const satisfies Record<OperationStatus, readonly OperationStatus[]>;

const finished: readonly OperationStatus[] = ['SUCCEEDED', 'FAILED', 'CANCELLED'];

/** True if the operation has ended, well or not. */
export const isFinished = (status: OperationStatus): boolean => finished.includes(status);

/** True if the operation ended without doing all it was accepted for. */
export const canBeRetried = (status: OperationStatus): boolean => status === 'FAILED' || status === 'CANCELLED';

/** True if the operation has been asked to stop. */
export const isCancelling = (status: OperationStatus): boolean => status === 'CANCELLING';

/** What an operation becomes when a worker takes it up: one that was asked to stop stays so. */
export const startedStatus = (status: OperationStatus): OperationStatus => (status === 'QUEUED' ? 'RUNNING' : status);
