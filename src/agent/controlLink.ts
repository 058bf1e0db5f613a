import { setTimeout as delay } from 'node:timers/promises';
import type { Observation } from '#domain/observation.ts';
import type { Logger } from '#lib/log/logger.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { readAssignment, readControlUrls } from './assignment.ts';
import { type Closing, type ControlConnection, openControlConnection } from './controlConnection.ts';
import { type AgentCommand, agentCloseCodes, type CommandOutcome } from './protocol.ts';

const firstPauseMs = 100;
const longestPauseMs = 2000;
const forbiddenPauseMs = 15_000;
const lookForNewAssignmentMs = 500;
const firstFinishPauseMs = 250;
const longestFinishPauseMs = 5000;

export type ControlLinkOptions = {
  directory: string;
  version: string;
  logger: Logger;
  onCommand(command: AgentCommand): void;
  onConnected(): void;
};

/** The agent's line to the control plane: for ever connected again, and nothing that must arrive is lost with a connection. */
export class ControlLink {
  readonly #options: ControlLinkOptions;
  readonly #unacknowledged = new Map<string, CommandOutcome>();
  readonly #stopping: AbortSignal;
  #connection: ControlConnection | null = null;
  #flushing: Promise<void> | null = null;
  /** Which of the control plane's processes is next. */
  #turn = 0;

  constructor(options: ControlLinkOptions, stopping: AbortSignal) {
    this.#options = options;
    this.#stopping = stopping;
  }

  /** Keeps connecting until it is told to stop. */
  async run(): Promise<void> {
    this.#stopping.addEventListener('abort', () => this.#connection?.close());
    for (let failures = 0; !this.#stopping.aborted; ) {
      const { wasConnected, closing } = await this.#connectOnce();
      failures = wasConnected ? 0 : failures + 1;
      if (this.#stopping.aborted) return;
      this.#options.logger[wasConnected || failures === 1 ? 'info' : 'debug'](
        closing,
        'not connected to the control plane',
      );
      await this.#pause(closing, failures);
    }
  }

  /** Sends an observation if there is a connection: the next one makes up for a lost one. */
  async report(observation: Observation): Promise<void> {
    await this.#connection?.report(observation).catch((error: unknown) => this.#lost('report', error));
  }

  /** As with observations. */
  progress(commandId: string, message: string): void {
    this.#connection?.progress(commandId, message).catch((error: unknown) => this.#lost('progress', error));
  }

  /** Sends an outcome until it is acknowledged, over as many connections as that takes. */
  finish(commandId: string, outcome: CommandOutcome): void {
    this.#unacknowledged.set(commandId, outcome);
    this.#flush();
  }

  async #connectOnce(): Promise<{ wasConnected: boolean; closing: Closing }> {
    let wasConnected = false;
    try {
      const assignment = await readAssignment(this.#options.directory);
      const { instanceId, token } = assignment;
      const urls = await readControlUrls(assignment);
      const connection = openControlConnection({
        url: assertPresent(urls[this.#turn % urls.length], 'a URL of the control plane'),
        hello: { instanceId, token, version: this.#options.version },
        onCommand: this.#options.onCommand,
        onConnected: () => {
          wasConnected = true;
          this.#connected(connection);
        },
      });
      if (this.#stopping.aborted) connection.close();
      const closing = await connection.closed;
      return { wasConnected, closing };
    } catch (error) {
      return { wasConnected, closing: { code: null, reason: error instanceof Error ? error.message : String(error) } };
    } finally {
      this.#connection = null;
      this.#turn += 1;
    }
  }

  #connected(connection: ControlConnection): void {
    if (this.#stopping.aborted) {
      connection.close();
      return;
    }
    this.#connection = connection;
    this.#options.logger.info('connected to the control plane');
    this.#options.onConnected();
    this.#flush();
  }

  #flush(): void {
    this.#flushing ??= this.#sendOutcomes().finally(() => {
      this.#flushing = null;
    });
  }

  async #sendOutcomes(): Promise<void> {
    for (let pauseMs = firstFinishPauseMs; this.#unacknowledged.size > 0; ) {
      const connection = this.#connection;
      // The next connection calls again.
      if (connection === null) return;
      for (const [commandId, outcome] of this.#unacknowledged) {
        await connection.finish(commandId, outcome).then(
          () => this.#unacknowledged.delete(commandId),
          (error: unknown) => this.#lost('finish', error),
        );
      }
      if (this.#unacknowledged.size === 0) return;
      await delay(pauseMs, undefined, { signal: this.#stopping }).catch(() => {});
      if (this.#stopping.aborted) return;
      pauseMs = Math.min(pauseMs * 2, longestFinishPauseMs);
    }
  }

  async #pause({ code }: Closing, failures: number): Promise<void> {
    if (code === agentCloseCodes.forbidden) {
      await this.#pauseUntilNewAssignment();
      return;
    }
    const limit = Math.min(firstPauseMs * 2 ** failures, longestPauseMs);
    await delay(firstPauseMs + Math.random() * (limit - firstPauseMs), undefined, { signal: this.#stopping }).catch(
      () => {},
    );
  }

  /** The token was refused. Another try helps only when the provider has written a new one, or the control plane was wrong. */
  async #pauseUntilNewAssignment(): Promise<void> {
    const { directory, logger } = this.#options;
    logger.warn('the control plane refused the token of this instance');
    const refused = await readAssignment(directory).catch(() => null);
    const deadline = performance.now() + forbiddenPauseMs * (1 + Math.random());
    while (!this.#stopping.aborted && performance.now() < deadline) {
      await delay(lookForNewAssignmentMs, undefined, { signal: this.#stopping }).catch(() => {});
      const current = await readAssignment(directory).catch(() => null);
      if (current?.token !== refused?.token || current?.controlUrlFile !== refused?.controlUrlFile) return;
    }
  }

  #lost(what: string, error: unknown): void {
    this.#options.logger.debug({ err: error }, `could not send: ${what}`);
  }
}
