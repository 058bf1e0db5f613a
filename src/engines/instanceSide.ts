import type { BackupStore } from '#backups/backupStore.ts';
import type { InstanceSize } from '#domain/facts.ts';
import type { Observation } from '#domain/observation.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import type { Logger } from '#lib/log/logger.ts';
import type { Json, JsonObject } from '#lib/values/json.ts';

/** What an agent gives its engine's instance side. */
export type InstanceHost = {
  /** The instance's own directory, an absolute path without links; the engine owns what it makes below it. */
  directory: string;
  name: string;
  engineVersion: string;
  address: string;
  port: number;
  size: InstanceSize;
  /** The user that the server runs as. Null: the agent's own. */
  serverUser: { uid: number; gid: number } | null;
  /** Variables for every process that is started, so that the provider recognises them as this instance's. */
  environment: Record<string, string>;
  logger: Logger;
};

export type CommandCall = {
  payload: JsonObject;
  /** The cluster's secrets by name. */
  secrets: Record<string, string>;
  /** The backup store that the payload's `store` names. Throws a CommandFailure where it names none. */
  openStore(): Promise<BackupStore>;
  /** Says how far the command is, in words. */
  progress(message: string): void;
  signal: AbortSignal;
};

/** A command could not be done. Its code, message and whether it may be tried again travel to the step that sent it. */
export class CommandFailure extends StepFailure {}

/**
 * One database server: its files, configuration, process and queries. Lives in the agent. The agent calls commands one at a time, but
 * for those that may run `beside` each other, and `observe` at any time.
 */
export interface InstanceSide {
  /**
   * Commands by kind. Each is safe to run twice: it ensures, it does not create. One whose signal aborts ends soon and leaves nothing
   * half-made that takes room; what it had changed may stay, as if the agent had died in it.
   */
  readonly commands: Record<string, (call: CommandCall) => Promise<Json>>;
  /** Kinds of commands that leave the server, its files and what is wanted of it as they are, and so disturb none of each other. */
  readonly beside: ReadonlySet<string>;
  /**
   * Brings the server to where it was left: adopts it if it runs, starts it if it should run and does not, leaves it if it was
   * never initialised or stopped on purpose. Behind a fence (domain/fence.ts) no server that would accept writes is started. Also
   * after a command that was given up half-way: only what is on disk counts from then on, as for a new agent.
   */
  resume(): Promise<void>;
  /** What is seen of the server now. Never throws: what cannot be seen is null. */
  observe(): Promise<Observation>;
  /** Registers a listener for changes worth an observation at once (the server died, or came up). */
  onChange(listener: () => void): void;
  /** Stops the server in order. For a fence or a removal, not for the end of the agent. */
  stop(): Promise<void>;
  /** Lets go of the server without stopping it: the agent ends, the server goes on. */
  detach(): void;
}
