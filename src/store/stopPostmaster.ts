import { processEnds, signalProcess } from '#lib/host/processes.ts';

const fastShutdownMs = 10_000;
const immediateShutdownMs = 5_000;

/** Stops it in order (sessions are ended, what is committed is on disk), and the hard way if that takes too long. */
export async function stopPostmaster(pid: number): Promise<void> {
  if (!signalProcess(pid, 'SIGINT') || (await processEnds(pid, { timeoutMs: fastShutdownMs }))) return;
  signalProcess(pid, 'SIGQUIT');
  if (await processEnds(pid, { timeoutMs: immediateShutdownMs })) return;
  throw new Error(`The embedded PostgreSQL (pid ${pid}) does not stop.`);
}
