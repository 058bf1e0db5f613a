import type { StorePlace } from '#backups/storeSettings.ts';
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

/** A part of a backup in the backup store: its file, and what that must be. */
export type StoredPart = { store: StorePlace; key: string; bytes: number; sha256: string };

/** Up to where the data of a part reach, in the engine's own notation. */
export type PartPosition = { endPosition: string; timeline: number | null };

/** What was stored of an instance. `bytes` and `sha256` are of the file, `dataBytes` of the instance's files in it. */
export type BackedUpPart = PartPosition & { bytes: number; sha256: string; dataBytes: number; startPosition: string };

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
  /** The access rules of `context.cluster` are in force on the instance's running server. */
  applyAccess(context: EngineContext, instance: InstanceFacts): Promise<void>;
  /** The instance's data are in the store under the key, with all that makes them consistent. Writes go on meanwhile. */
  backUp(
    context: EngineContext,
    instance: InstanceFacts,
    file: Pick<StoredPart, 'store' | 'key'>,
  ): Promise<BackedUpPart>;
  /** Pure: the part whose data reach furthest. The first of equal ones; never called without any. */
  furthest<Part extends PartPosition>(parts: readonly Part[]): Part;
  /** A new, empty instance has the data of a part; nothing serves them yet. */
  restore(context: EngineContext, instance: InstanceFacts, part: StoredPart): Promise<void>;
  /** An instance with the data of the furthest part becomes the group's first, with this cluster's secrets. */
  lead(context: EngineContext, instance: InstanceFacts, part: StoredPart): Promise<void>;
  /**
   * An instance with the data of a part joins the group that `lead` began. Answers why it had to be seeded again from the group; null:
   * its part was good enough.
   */
  follow(context: EngineContext, instance: InstanceFacts, part: StoredPart): Promise<string | null>;
  /** The data path: written through the primary, read on every instance; roles and replication as wanted. */
  verify(context: EngineContext): Promise<void>;
}
