import { fileURLToPath } from 'node:url';
import type { Config } from './config.ts';

type AgentCommandOptions = { config: Config; toolsDirectory: string };
type AgentCommand = { program: string; args: string[]; env: Record<string, string> };

/** How this very program is run as the agent of an instance. */
export function agentCommand({ config, toolsDirectory }: AgentCommandOptions): (directory: string) => AgentCommand {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  return (directory) => ({
    program: process.execPath,
    args: [main, 'agent', '--directory', directory, '--tools', toolsDirectory],
    env: {
      PATH: config.path,
      GROVE_LOG_LEVEL: config.logLevel,
      ...(config.postgresqlBin === null ? {} : { GROVE_POSTGRESQL_BIN: config.postgresqlBin }),
    },
  });
}
