import { randomUUID } from 'node:crypto';
import { CommandFailure, type InstanceSide } from '#engines/instanceSide.ts';
import { systemFault } from '#lib/faults/systemFault.ts';
import type { Logger } from '#lib/log/logger.ts';
import type { CommandRecord } from './commandRecord.ts';
import { openStore } from './openStore.ts';
import { type AgentCommand, type CommandError, type CommandOutcome, storeCredentialsName } from './protocol.ts';
import { ThrottledProgress } from './throttledProgress.ts';

const progressMs = 250;

export type CommandRunnerOptions = {
  side: Pick<InstanceSide, 'commands' | 'beside' | 'resume'>;
  record: CommandRecord;
  logger: Logger;
  onProgress(commandId: string, message: string): void;
  onFinished(commandId: string, outcome: CommandOutcome): void;
};

/** Why a command that was withdrawn did not come to its end. To whoever asks for the same anew it says nothing. */
const withdrawn: CommandError = {
  code: 'WITHDRAWN',
  message: 'It was given up, since its operation had come to an end.',
  retryable: true,
};

/**
 * Runs commands in the order of their arrival, each once and alone, but for those that may run beside each other: such a one waits only
 * for what came before it and runs alone.
 */
export class CommandRunner {
  readonly #options: CommandRunnerOptions;
  /** Those that have not ended, and how each is withdrawn. */
  readonly #accepted = new Map<string, AbortController>();
  readonly #stopping = new AbortController();
  /** Until the last one that runs alone has ended. */
  #lastAlone: Promise<void> = Promise.resolve();
  /** Until all have ended. */
  #all: Promise<void> = Promise.resolve();

  constructor(options: CommandRunnerOptions) {
    this.#options = options;
  }

  /** Takes a command, also one that was delivered before: it is then answered from the record, or goes on. */
  accept(command: AgentCommand): void {
    const outcome = this.#options.record.outcome(command.id);
    if (outcome !== null) {
      this.#options.onFinished(command.id, outcome);
      return;
    }
    if (this.#accepted.has(command.id)) return;
    const withdrawal = new AbortController();
    this.#accepted.set(command.id, withdrawal);
    const beside = this.#options.side.beside.has(command.kind);
    const turn = (beside ? this.#lastAlone : this.#all).then(() => this.#run(command, withdrawal.signal));
    this.#all = Promise.all([this.#all, turn]).then(() => {});
    if (!beside) this.#lastAlone = turn;
  }

  /** Nobody waits for the command any more: what runs is aborted, what waits is not begun, and its end is told in any case. */
  withdraw(commandId: string): void {
    const withdrawal = this.#accepted.get(commandId);
    if (withdrawal) withdrawal.abort(new Error(withdrawn.message));
    else
      this.#options.onFinished(commandId, this.#options.record.outcome(commandId) ?? { ok: false, error: withdrawn });
  }

  /** Aborts what runs and forgets what waits: both are delivered again to the next agent. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('The agent stops.'));
    await this.#all;
  }

  async #run(command: AgentCommand, withdrawal: AbortSignal): Promise<void> {
    const { record, logger, onFinished } = this.#options;
    if (this.#stopping.signal.aborted) return;
    const log = logger.child({ commandId: command.id, kind: command.kind });
    log.info('command begins');
    const begin = performance.now();
    const outcome = await this.#outcomeUnlessWithdrawn(command, withdrawal);
    const ms = Math.round(performance.now() - begin);
    // What the end of the agent cut off has no outcome.
    if (this.#stopping.signal.aborted && !outcome.ok) return;
    if (outcome.ok) log.info({ ms }, 'command done');
    else log.warn({ ms, error: outcome.error }, 'command failed');
    try {
      await record.add(command.id, outcome);
    } catch (error) {
      // It is told all the same: a later agent that does not know it does the command once more, which every command allows.
      log.error({ err: error }, 'the outcome of a command could not be recorded');
    }
    this.#accepted.delete(command.id);
    onFinished(command.id, outcome);
  }

  async #outcomeUnlessWithdrawn(command: AgentCommand, withdrawal: AbortSignal): Promise<CommandOutcome> {
    if (withdrawal.aborted) return { ok: false, error: withdrawn };
    const outcome = await this.#outcomeOf(command, AbortSignal.any([this.#stopping.signal, withdrawal]));
    if (!outcome.ok && withdrawal.aborted && !this.#stopping.signal.aborted) await this.#resume();
    return outcome;
  }

  async #outcomeOf({ id, kind, payload, secrets }: AgentCommand, signal: AbortSignal): Promise<CommandOutcome> {
    const { side, onProgress } = this.#options;
    const run = Object.hasOwn(side.commands, kind) ? side.commands[kind] : undefined;
    if (run === undefined) return { ok: false, error: unknownCommand(kind) };
    const { [storeCredentialsName]: storeCredentials, ...clusterSecrets } = secrets;
    const progress = new ThrottledProgress((message) => onProgress(id, message), progressMs);
    try {
      return {
        ok: true,
        result: await run({
          payload,
          secrets: clusterSecrets,
          openStore: () => openStore(payload, storeCredentials),
          progress: (message) => progress.say(message),
          signal,
        }),
      };
    } catch (error) {
      return { ok: false, error: signal.aborted ? withdrawn : this.#errorOf(kind, error) };
    } finally {
      progress.end();
    }
  }

  /** What was given up half-way goes on as if a new agent had begun after it. */
  async #resume(): Promise<void> {
    const { side, logger } = this.#options;
    await side.resume().catch((error: unknown) => logger.error({ err: error }, 'the server could not be resumed'));
  }

  #errorOf(kind: string, error: unknown): CommandError {
    if (error instanceof CommandFailure) {
      return { code: error.code, message: error.message, retryable: error.retryable };
    }
    const errorId = randomUUID();
    this.#options.logger.error({ err: error, kind, errorId }, 'unexpected failure of a command');
    const fault = systemFault(error);
    if (fault !== null) return { code: 'SYSTEM', message: `The host refused: ${fault.message}.`, retryable: true };
    // Tried again as any failure: what nobody has thought of may pass.
    const message = `Internal error ${errorId} of the agent; its log has the rest.`;
    return { code: 'INTERNAL', message, retryable: true };
  }
}

function unknownCommand(kind: string): CommandError {
  return {
    code: 'UNKNOWN_COMMAND',
    message: `This agent knows no command "${kind}". Its release may be older than the control plane's.`,
    retryable: false,
  };
}
