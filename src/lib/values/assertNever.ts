/** Ends an exhaustive switch: a case that the types forgot is a bug, at compile time first. */
export function assertNever(value: never): never {
  throw new Error(`Unexpected value: ${JSON.stringify(value)}`);
}
