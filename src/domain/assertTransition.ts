/** A transition that the table does not have is a bug in a rule, and must not reach the log. */
export function assertTransition<Status extends string>(
  table: Readonly<Record<Status, readonly Status[]>>,
  from: Status,
  to: Status,
  what: string,
): void {
  if (!table[from].includes(to)) throw new Error(`No transition of ${what} from ${from} to ${to}`);
}
