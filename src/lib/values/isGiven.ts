/** True if a caller has said it: an optional input may be left out, or be null. */
export const isGiven = <T>(value: T | null | undefined): value is T => value !== null && value !== undefined;
