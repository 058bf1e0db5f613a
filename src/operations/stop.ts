/** Why a run of an operation stops before its end. Each is the reason of the run's abort signal, or thrown from a step. */

/** Another worker has taken the operation over: this one may write no more. */
export class Overtaken extends Error {
  constructor() {
    super('Another worker has taken the operation over');
  }
}

/** Somebody asked the operation to stop. */
export class CancelRequested extends Error {
  constructor(why: string | null) {
    super(why === null ? 'It was cancelled' : `It was cancelled: ${why}`);
  }
}

/** The operation had not ended by its deadline. */
export class DeadlinePassed extends Error {
  constructor(deadlineAt: Date, waitingFor: string | null) {
    super(
      `It had not ended by its deadline, ${deadlineAt.toISOString()}${waitingFor === null ? '' : `; it was waiting for ${waitingFor}`}`,
    );
  }
}

/** This process is stopping; the operation goes on in the next one. */
export class WorkerStopping extends Error {
  constructor() {
    super('The worker is stopping');
  }
}

/** A step beside this one failed, and the operation with it. */
export class SiblingFailed extends Error {
  constructor() {
    super('Another step failed');
  }
}
