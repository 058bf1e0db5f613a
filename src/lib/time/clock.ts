/** The only source of the present, so that a test can hold it. */
export type Clock = { now(): Date };

export const systemClock: Clock = { now: () => new Date() };
