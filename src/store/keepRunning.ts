import { processIdentity, processIsRunning } from '#lib/host/processes.ts';
import type { Logger } from '#lib/log/logger.ts';
import { stopPostmaster } from './stopPostmaster.ts';

export type KeepRunningOptions = {
  pid: number;
  /** Starts the server again, where its clients expect it. */
  restart(): Promise<{ pid: number }>;
  logger: Logger;
};

const lookEveryMs = 500;

/**
 * Starts the server again if it dies (killed for want of memory, say). Returns the function that stops it and lets it be. By
 * looking, since a server that was taken over is not our child, whose end would be told.
 */
export function keepRunning({ pid: firstPid, restart, logger }: KeepRunningOptions): () => Promise<void> {
  let pid = firstPid;
  // A pid may be given to another program once its process is gone.
  let identity = processIdentity(pid);
  const runs = () => processIsRunning(pid) && processIdentity(pid) === identity;
  let restarting: Promise<void> | null = null;
  const timer = setInterval(() => {
    if (restarting === null && !runs()) restarting = startAgain().finally(() => (restarting = null));
  }, lookEveryMs);
  timer.unref();

  async function startAgain(): Promise<void> {
    logger.error({ pid }, 'the embedded PostgreSQL ended unexpectedly: starting it again');
    try {
      pid = (await restart()).pid;
      identity = processIdentity(pid);
    } catch (error) {
      logger.error({ err: error }, 'the embedded PostgreSQL could not be started again');
    }
  }

  return async () => {
    clearInterval(timer);
    await restarting;
    if (runs()) await stopPostmaster(pid);
  };
}
