import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { StepFailure } from '#domain/stepFailure.ts';
import { systemFault } from '#lib/faults/systemFault.ts';
import { withoutPaths } from '#lib/faults/withoutPaths.ts';
import { processEnds, processIsRunning, signalProcess } from '#lib/host/processes.ts';
import type { ServerUser } from '#lib/host/serverUser.ts';
import type { Logger } from '#lib/log/logger.ts';
import { openServerLog, serverLogReason } from './serverLog.ts';

/** How a server is run. */
export type ServerLaunch = { program: string; args: string[]; cwd: string; env: Record<string, string> };

/** What a supervisor must know of the server that it keeps running. */
export type SupervisedServer = {
  /** Called before each start, or before the end of a server that is to be restarted: makes everything ready and says how to start it. */
  prepare(): Promise<ServerLaunch>;
  /** The pid of a server that runs on the instance's files already. Null: none does. */
  findRunning(): Promise<number | null>;
  /** Whether the server with this pid accepts sessions. */
  isReady(pid: number): Promise<boolean>;
  /** How it is asked to stop: each signal in turn, until it is gone. */
  stopSignals: readonly { signal: NodeJS.Signals; waitMs: number }[];
  logFile: string;
  serverUser: ServerUser | null;
  logger: Logger;
};

const firstPauseMs = 250;
const longestPauseMs = 10_000;
/** A server that ran for this long has recovered: its next end begins with the shortest pause again. */
const steadyMs = 10_000;
const readyPollMs = 10;
const adoptedPollMs = 250;

/** The server ended, or did not come up. */
export class ServerEnded extends Error {}

/**
 * Keeps one server process running. It is started as a child in a session of its own with its output in a file, so that it
 * outlives the agent; a later agent adopts it. If it ends unasked it is started again, with growing pauses.
 */
export class ServerSupervisor {
  readonly #server: SupervisedServer;
  readonly #listeners: (() => void)[] = [];
  #wanted = false;
  #ready = false;
  #pid: number | null = null;
  #reason: string | null = null;
  #failures = 0;
  #logStart = 0;
  #pause: NodeJS.Timeout | null = null;
  #attempt: Promise<void> | null = null;
  /** How the next start is done, where it was made ready before. */
  #launch: ServerLaunch | null = null;
  #watch: NodeJS.Timeout | null = null;

  constructor(server: SupervisedServer) {
    this.#server = server;
  }

  /** The server's process. Null: none. */
  get pid(): number | null {
    return this.#pid;
  }

  /** Why the server is not up, in words. Null: it is, or it was never wanted. */
  get reason(): string | null {
    return this.#reason;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** From now on the server is kept running. Does not wait for it. */
  keepRunning(): void {
    this.ensureRunning().catch((error: unknown) => {
      this.#server.logger.debug({ err: error }, 'the server is not up yet');
    });
  }

  /**
   * From now on the server is kept running. Returns once it accepts sessions; throws ServerEnded if this attempt fails. When the
   * signal aborts, its reason is thrown at once and the server goes on coming up.
   */
  async ensureRunning({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#wanted = true;
    this.#clearPause();
    this.#attempt ??= this.#bringUp().finally(() => {
      this.#attempt = null;
    });
    await (signal === undefined ? this.#attempt : unlessAborted(this.#attempt, signal));
  }

  /**
   * Stops the server in order. On return it is gone, whoever had started it.
   * @param patienceMs how long an orderly stop may take before it is forced, instead of what the server has set
   */
  async stop({ patienceMs }: { patienceMs?: number } = {}): Promise<void> {
    this.#wanted = false;
    this.#clearPause();
    for (;;) {
      const pid = this.#pid ?? (await this.#server.findRunning());
      if (pid !== null) await this.#end(pid, patienceMs);
      else if (this.#attempt === null) break;
      // An attempt that was under way may have started a server in the meantime.
      await this.#attempt?.catch(() => {});
      this.#forget();
    }
    this.#reason = null;
    this.#announce();
  }

  /**
   * Ends the server in order and starts it again, with everything made ready before it ends, so that it is away as shortly as can
   * be. Returns, as `ensureRunning`, once it accepts sessions: for how long it was away, in milliseconds. Null: it did not run.
   */
  async restart(options: { signal?: AbortSignal } = {}): Promise<number | null> {
    const runs = (this.#pid ?? (await this.#server.findRunning())) !== null;
    const launch = runs ? await this.#server.prepare() : null;
    options.signal?.throwIfAborted();
    const begin = performance.now();
    this.#launch = launch;
    await this.stop();
    await this.ensureRunning(options);
    return runs ? performance.now() - begin : null;
  }

  /** Lets go of the server without stopping it. */
  detach(): void {
    this.#wanted = false;
    this.#clearPause();
    this.#forget();
    this.#listeners.length = 0;
  }

  async #bringUp(): Promise<void> {
    if (this.#ready) return;
    try {
      const adopted = await this.#server.findRunning();
      if (adopted === null) await this.#spawn();
      else this.#adopt(adopted);
      await this.#becomesReady();
    } catch (error) {
      if (this.#pid === null) this.#retryLater(reasonOf(error));
      throw error;
    }
  }

  async #spawn(): Promise<void> {
    const launch = this.#launch;
    this.#launch = null;
    const { program, args, cwd, env } = launch ?? (await this.#server.prepare());
    if (!this.#wanted) throw new ServerEnded('The server was stopped before it was started.');
    const log = await openServerLog(this.#server.logFile, this.#server.serverUser);
    try {
      this.#logStart = (await log.stat()).size;
      const child = spawn(program, args, {
        cwd,
        env,
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
        ...this.#server.serverUser,
      });
      child.unref();
      await once(child, 'spawn');
      this.#follow(child);
    } finally {
      await log.close();
    }
  }

  #follow(child: ChildProcess): void {
    const pid = child.pid ?? null;
    this.#pid = pid;
    this.#reason = 'The server is starting.';
    child.once('exit', (code, signal) => {
      if (this.#pid === pid) this.#ended(signal === null ? `exit code ${code}` : `signal ${signal}`);
    });
  }

  #adopt(pid: number): void {
    this.#server.logger.info({ pid }, 'adopted the running server');
    this.#pid = pid;
    this.#reason = 'The server is starting.';
    // Nothing announces the end of a process that is not our child.
    this.#watch = setInterval(() => {
      if (!processIsRunning(pid)) this.#ended('it was started by an earlier agent, so its exit code is not known');
    }, adoptedPollMs);
    this.#watch.unref();
  }

  async #becomesReady(): Promise<void> {
    for (;;) {
      const pid = this.#pid;
      if (pid === null) throw new ServerEnded(this.#reason ?? 'The server ended.');
      if (!this.#wanted) throw new ServerEnded('The server was stopped while it started.');
      if (await this.#server.isReady(pid)) break;
      await delay(readyPollMs);
    }
    if (this.#pid === null) throw new ServerEnded(this.#reason ?? 'The server ended.');
    this.#ready = true;
    this.#reason = null;
    const failures = this.#failures;
    const pid = this.#pid;
    setTimeout(() => {
      if (this.#pid === pid && this.#failures === failures) this.#failures = 0;
    }, steadyMs).unref();
    this.#announce();
  }

  #ended(how: string): void {
    const said = this.#ready ? null : serverLogReason(this.#server.logFile, this.#logStart);
    const reason = `The server ended ${this.#ready ? 'unasked' : 'while it started'} (${how})${said === null ? '.' : `: ${said}`}`;
    this.#forget();
    if (!this.#wanted) return;
    this.#reason = reason;
    // An attempt that waits for readiness sees the end and plans the next one itself.
    if (this.#attempt === null) this.#retryLater(reason);
  }

  #retryLater(reason: string): void {
    this.#reason = reason;
    if (!this.#wanted) return;
    const pauseMs = Math.min(firstPauseMs * 2 ** this.#failures, longestPauseMs);
    this.#failures += 1;
    this.#server.logger.warn({ pauseMs, reason }, 'the server is not running and will be started again');
    this.#clearPause();
    this.#pause = setTimeout(() => this.keepRunning(), pauseMs);
    this.#announce();
  }

  async #end(pid: number, patienceMs: number | undefined): Promise<void> {
    for (const [position, { signal, waitMs }] of this.#server.stopSignals.entries()) {
      const timeoutMs = position === 0 ? (patienceMs ?? waitMs) : waitMs;
      if (!signalProcess(pid, signal) || (await processEnds(pid, { timeoutMs }))) return;
      // What it leaves behind then is for the next start to see to.
      this.#launch = null;
    }
    throw new Error(`The server (pid ${pid}) does not stop, even when it is killed.`);
  }

  #forget(): void {
    this.#pid = null;
    this.#ready = false;
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#watch = null;
  }

  #clearPause(): void {
    if (this.#pause !== null) clearTimeout(this.#pause);
    this.#pause = null;
  }

  #announce(): void {
    for (const listener of this.#listeners) listener();
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof ServerEnded || error instanceof StepFailure) return error.message;
  const fault = systemFault(error);
  if (fault !== null) return `The server cannot be started: the host refused: ${fault.message}.`;
  return withoutPaths(`The server cannot be started: ${error instanceof Error ? error.message : String(error)}`);
}

/** Waits for the work, but not longer than until the signal aborts. The work goes on. */
async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
