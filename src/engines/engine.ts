import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import type { Health } from '#domain/health.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import type { Json, JsonObject } from '#lib/json.ts';

/** Rule on the number of instances of a cluster. */
export type SizeRule = { minimum: number; maximum: number; oddOnly: boolean };

/** A version of an engine, and whether it can be run here. */
export type EngineVersion = {
  /** As a person asks for it, e.g. "18". */
  version: string;
  available: boolean;
  /** The exact release that was found, e.g. "18.4". Null: none. */
  release: string | null;
  /** Why it is not available and how to get it. Null when it is. */
  unavailableReason: string | null;
};

/** A command that one engine's agents understand: what goes in and what comes back. */
export type CommandMap = Record<string, { input: JsonObject; result: Json }>;

/** Sends a command to an instance's agent and waits for its end. Throws AgentCommandFailed. */
export type SendCommand = <Commands extends CommandMap, Kind extends keyof Commands & string>(
  instance: InstanceFacts,
  kind: Kind,
  payload: Commands[Kind]['input'],
) => Promise<Commands[Kind]['result']>;

/** What a strategy works with: facts as they were when the step began, and the agents. */
export type EngineContext = {
  cluster: ClusterFacts;
  send: SendCommand;
  /** Aborted when the operation is to stop: deadline, or the worker goes. */
  signal: AbortSignal;
  /** Says what the step waits for, in words; null: for nothing. */
  waitingFor(what: string | null): void;
};

/** How a server was restarted. */
export type ServerRestart = {
  /** Since when the new server runs, by its own clock (ISO 8601): what was observed of one that began earlier is of the old one. */
  startedAt: string;
  /** From when the server was told to stop until it served again, in milliseconds. Null: it did not run before. */
  downMs: number | null;
};

/** What an agent answered to a command that could not be done. */
export class AgentCommandFailed extends StepFailure {}

/**
 * A database product that Grove can run: the control plane's side. Knows the topology and never touches a machine: it sends
 * commands to agents and reads observations. Every method with a context is a sequence of commands that is safe to run twice.
 */
export interface Engine {
  readonly name: string;
  readonly displayName: string;
  /** The port that clients expect. */
  readonly standardPort: number;
  readonly capabilities: { promotion: boolean; topology: 'PRIMARY_REPLICA' | 'MULTI_PRIMARY' };
  readonly size: SizeRule;
  /** Names of the secrets that a new cluster gets, each a generated password. */
  readonly secretNames: readonly string[];
  /** Which secret `revealCredentials` shows, and how a client uses it. */
  readonly clientAccess: { secretName: string; username: string; database: string; uriScheme: string };
  /** Every version that this release knows, newest first, with what was found on this host. */
  versions(): EngineVersion[];
  /** Pure: how a cluster of these instances is doing. */
  health(cluster: ClusterFacts): Health;
  /** A new, empty instance becomes the group's first. */
  bootstrap(context: EngineContext, first: InstanceFacts): Promise<void>;
  /** An instance joins the group and holds its data. Several may join at once. */
  join(context: EngineContext, joining: InstanceFacts): Promise<void>;
  /**
   * An instance leaves the group: nothing of the others keeps anything for it. Its server may run or not, and is stopped by whoever
   * calls this. Several may leave at once.
   */
  leave(context: EngineContext, leaving: InstanceFacts): Promise<void>;
  /** Pure: the instances in the order in which they restart one by one, so that the group accepts writes for as long as it can. */
  restartOrder(cluster: ClusterFacts): InstanceFacts[];
  /** The instance's server has ended in order and serves again. One that was stopped is started. */
  restart(context: EngineContext, instance: InstanceFacts): Promise<ServerRestart>;
  /** The access rules of `context.cluster` are in force on the instance's running server. */
  applyAccess(context: EngineContext, instance: InstanceFacts): Promise<void>;
  /** The data path: written through the primary, read on every instance; roles and replication as wanted. */
  verify(context: EngineContext): Promise<void>;
}
