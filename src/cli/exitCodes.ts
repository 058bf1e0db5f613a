/** What the process says at its end; `grove --help` and docs/cli.md explain them. */
export const exitCodes = {
  done: 0,
  /** Grove refused it, or the operation did not succeed. */
  refused: 1,
  /** The command line cannot be meant. */
  usage: 2,
  /** There is no key, or Grove does not accept it. */
  notSignedIn: 3,
  /** Nothing answers there, or Grove is at fault. */
  unavailable: 4,
  /** Ctrl-C while an operation was followed: as shells have it for SIGINT. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
