import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstanceHost, InstanceSide } from '#engines/instanceSide.ts';
import { createInstanceSide } from '#engines/instanceSides.ts';
import { findPostgresqlToolchain, type ToolchainOptions } from '#engines/postgresql/toolchain.ts';
import type { Logger } from '#lib/log/logger.ts';
import { takeAgentLock } from './agentLock.ts';
import { readAssignment } from './assignment.ts';
import { CommandRecord } from './commandRecord.ts';
import { CommandRunner } from './commandRunner.ts';
import { ControlLink } from './controlLink.ts';
import { rest } from './leanProcess.ts';
import { type AgentAssignment, type AgentCommand, instanceVariable, observeKind, withdrawKind } from './protocol.ts';
import { Reporter } from './reporter.ts';

export type AgentOptions = {
  /** The instance's directory, with its `agent.json`. */
  directory: string;
  logger: Logger;
  /** Where to look for database servers' programs. */
  postgresql: Omit<ToolchainOptions, 'serverUser'>;
  /** Ends the agent in order, as SIGTERM does. */
  signal?: AbortSignal;
};

/**
 * The guest agent of one instance: keeps its server running, does what the control plane tells it and reports what it sees.
 * Returns after SIGTERM or SIGINT; the server goes on. Returns at once if the instance has an agent already.
 */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { logger } = options;
  const directory = await realpath(options.directory);
  const lock = await takeAgentLock(directory);
  if (lock === null) {
    logger.info({ directory }, 'another agent runs in this directory');
    return;
  }
  const logUncaught = (error: Error) => logger.fatal({ err: error }, 'the agent ends on an unexpected error');
  process.on('uncaughtExceptionMonitor', logUncaught);
  try {
    await serve({ ...options, directory });
  } finally {
    process.off('uncaughtExceptionMonitor', logUncaught);
    await lock.release();
  }
}

async function serve({ directory, logger, postgresql, signal }: AgentOptions): Promise<void> {
  const stopping = stopSignal(signal);
  const assignment = await readAssignment(directory);
  const { serverUser } = assignment;
  const toolchains = { postgresql: await findPostgresqlToolchain({ ...postgresql, serverUser }) };
  const side = createInstanceSide(assignment.engine, hostOf(assignment, directory, logger), toolchains);
  // Before and without the control plane.
  await side.resume();
  await follow({ directory, logger, side }, stopping);
}

/** Does what the control plane says until it is told to stop. */
async function follow(
  { directory, logger, side }: { directory: string; logger: Logger; side: InstanceSide },
  stopping: AbortSignal,
): Promise<void> {
  const onCommand = (command: AgentCommand): void => {
    if (command.kind === observeKind) reporter.reportNow();
    else if (command.kind === withdrawKind) runner.withdraw(command.id);
    else runner.accept(command);
  };
  const link = new ControlLink(
    {
      directory,
      version: await releaseVersion(),
      logger,
      onCommand,
      onConnected: () => reporter.reportNow(),
    },
    stopping,
  );
  const runner = new CommandRunner({
    side,
    record: await CommandRecord.open(join(directory, 'commands.json')),
    logger,
    onProgress: (commandId, message) => link.progress(commandId, message),
    onFinished: (commandId, outcome) => {
      link.finish(commandId, outcome);
      reporter.reportNow();
      rest();
    },
  });
  const reporter = new Reporter({ side, link, logger });
  side.onChange(() => reporter.reportNow());
  reporter.start();
  await link.run();
  reporter.stop();
  side.detach();
  await runner.stop();
  logger.info('the agent stops; its server goes on');
}

function hostOf(assignment: AgentAssignment, directory: string, logger: Logger): InstanceHost {
  const { instanceId, name, engineVersion, address, port, size, serverUser } = assignment;
  const environment = { [instanceVariable]: instanceId };
  return { directory, name, engineVersion, address, port, size, serverUser, environment, logger };
}

function stopSignal(signal: AbortSignal | undefined): AbortSignal {
  const controller = new AbortController();
  const stop = () => controller.abort();
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  return signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]);
}

async function releaseVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
