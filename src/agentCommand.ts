import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { leanNode } from '#agent/leanProcess.ts';
import type { Config } from './config.ts';

type AgentCommandOptions = { config: Config; dataDirectory: string; toolsDirectory: string };
type AgentCommand = { program: string; args: string[]; env: Record<string, string> };

/** How this very program is run as the agent of an instance. */
export function agentCommand({
  config,
  dataDirectory,
  toolsDirectory,
}: AgentCommandOptions): (directory: string) => AgentCommand {
  const { flags, env } = leanNode(join(dataDirectory, 'cache', 'agent'));
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  return (directory) => ({
    program: process.execPath,
    args: [...flags, main, 'agent', '--directory', directory, '--tools', toolsDirectory],
    env: {
      ...env,
      PATH: config.path,
      GROVE_LOG_LEVEL: config.logLevel,
      ...(config.postgresqlBin === null ? {} : { GROVE_POSTGRESQL_BIN: config.postgresqlBin }),
    },
  });
}
