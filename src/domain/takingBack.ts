const prefix = 'taking back#';

/** What commands of a clean-up are recorded under in place of a step: of this attempt, since what an earlier one was answered is no longer so. */
export const takingBackKey = (attempt: number): string => `${prefix}${attempt}`;

/** True for a command that an operation which ends badly still waits for. */
export const isTakingBack = (stepKey: string): boolean => stepKey.startsWith(prefix);
