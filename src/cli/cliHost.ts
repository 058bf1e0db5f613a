/** What the process lends to a command. */
export type CliHost = {
  environment: Readonly<Record<string, string | undefined>>;
  workingDirectory: string;
  stdin: NodeJS.ReadStream;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  /** Calls once at Ctrl-C, which then does not end the process. Returns the function that gives this up. */
  onInterrupt(listener: () => void): () => void;
};
