/** What the process lends to a command. */
export type CliHost = {
  environment: Readonly<Record<string, string | undefined>>;
  workingDirectory: string;
  stdin: NodeJS.ReadStream;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
};
