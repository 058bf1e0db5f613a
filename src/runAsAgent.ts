import { beginLean } from '#agent/leanProcess.ts';
import { runAgent } from '#agent/runAgent.ts';
import { createLogger } from '#lib/log/logger.ts';

type Host = {
  directory: string;
  /** Where programs may be copied to, so that the servers' user can run them. */
  toolsDirectory: string;
  environment: NodeJS.ProcessEnv;
};

/**
 * Runs the guest agent of one instance. Reads the few variables that agentCommand.ts passes on by itself: an agent has no room for
 * what checks the whole configuration.
 */
export async function runAsAgent({ directory, toolsDirectory, environment }: Host): Promise<void> {
  await beginLean(environment);
  await runAgent({
    directory,
    logger: createLogger({ level: environment.GROVE_LOG_LEVEL ?? 'info', pretty: false }),
    postgresql: {
      configuredDirectories: environment.GROVE_POSTGRESQL_BIN ?? null,
      searchPath: environment.PATH ?? '',
      reachableCopyIn: toolsDirectory,
    },
  });
}
