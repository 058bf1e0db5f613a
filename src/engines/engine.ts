import type { StorePlace } from '#backups/storeSettings.ts';
import type { DomainError } from '#domain/errors.ts';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import type { Health } from '#domain/health.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import type { Json, JsonObject } from '#lib/values/json.ts';

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
  options?: SendOptions,
) => Promise<Commands[Kind]['result']>;

/** `withinMs`: an AgentSilent is thrown if the end is not known by then. The command is not taken back. */
export type SendOptions = { withinMs?: number };

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

/** A part of a backup in the backup store: its file, and what that must be. */
export type StoredPart = { store: StorePlace; key: string; bytes: number; sha256: string };

/** Up to where the data of a part reach, in the engine's own notation. */
export type PartPosition = { endPosition: string; timeline: number | null };

/** What was stored of an instance. `bytes` and `sha256` are of the file, `dataBytes` of the instance's files in it. */
export type BackedUpPart = PartPosition & { bytes: number; sha256: string; dataBytes: number; startPosition: string };

/** What an agent answered to a command that could not be done. */
export class AgentCommandFailed extends StepFailure {}

/** No answer came in time. What became of the command is not known. */
export class AgentSilent extends StepFailure {}

/** PLANNED hands the role over and loses nothing; FAILOVER replaces a lost primary. */
export type PromotionMode = 'PLANNED' | 'FAILOVER';

export type PromotionRequest = {
  mode: PromotionMode;
  /** Null: whichever is best is elected. A former primary only in FAILOVER, with the loss accepted: it is never elected. */
  target: InstanceFacts | null;
  maxLagBytes: number;
  /** Whether the loss of acknowledged writes of a synchronous cluster is accepted. */
  acceptDataLoss: boolean;
};

/** A replica that could become the primary, as last observed. */
export type Candidate = {
  instance: InstanceFacts;
  /** How far behind its primary's last known position it is, in bytes. Null: where that was is not known. */
  lagBytes: number | null;
};

/** Who hands the role over to whom. */
export type Move = { from: InstanceFacts; to: InstanceFacts };

/** How a primary stopped: JSON, since a step records it. */
export type Demotion = { clean: boolean; position: string; tookMs: number };

/** What became of a promotion. `promoted` false: it did not and will not happen. */
export type PromotionOutcome = { promoted: true; tookMs: number } | { promoted: false; reason: string };

/**
 * Which instance the others of a lost primary agree on. `lossBytes`: what it lacks of the primary's last known position. `resumes`: it is
 * a former primary, which takes writes again instead of being promoted.
 */
export type Election =
  | { instanceId: string; lossBytes: number | null; resumes: boolean }
  | { instanceId: null; reason: string };

/** How an instance came to follow the primary again; `discardedBytes`: what it had and the primary had not. Null: not known. */
export type Rejoined = { how: 'ATTACHED' | 'REWOUND' | 'COPIED'; discardedBytes: number | null };

/** How one instance takes the place of another as the primary. As of Engine: every method with a context is safe to run twice. */
export interface Promotion {
  /** Pure: every reason why the request cannot be granted. */
  blockers(cluster: ClusterFacts, request: PromotionRequest): DomainError[];
  /** Pure: the replicas that could become the primary in this mode, the best first. */
  candidates(cluster: ClusterFacts, mode: PromotionMode): Candidate[];
  /** Pure: names of the replicas without which an acknowledged write of a synchronous cluster may be overlooked. */
  unseen(cluster: ClusterFacts): string[];
  /** What can be done long before the primary stops, and leaves no trace. Fails where the target does not come near. */
  prepare(context: EngineContext, move: Move): Promise<void>;
  /** The target is made ready, as far as a replica can be. `giveBack` clears that away again. */
  makeReady(context: EngineContext, target: InstanceFacts): Promise<void>;
  /** The primary takes no more writes, for good, and sends all that it has. */
  demote(context: EngineContext, primary: InstanceFacts): Promise<Demotion>;
  /** The target becomes the primary once it has all that `after` says; null: at once. Throws where it is not known what became of it. */
  promote(context: EngineContext, target: InstanceFacts, after: Demotion | null): Promise<PromotionOutcome>;
  /** A primary that was demoted takes writes again, as if nothing had been. */
  giveBack(context: EngineContext, move: Move): Promise<void>;
  /** Asks the replicas, now that nothing is added any more, which of them has most; it will hold WAL for the others. */
  elect(
    context: EngineContext,
    choice: Pick<PromotionRequest, 'target' | 'maxLagBytes' | 'acceptDataLoss'>,
  ): Promise<Election>;
  /** A former primary takes writes again with the data that it has. It must not be fenced off any more. */
  resume(context: EngineContext, instance: InstanceFacts): Promise<void>;
  /** Pure: why the instance does not take part as a replica though the primary serves. Null: it does, or nothing can be done. */
  stray(cluster: ClusterFacts, instance: InstanceFacts): string | null;
  /** The instance follows the primary of `context.cluster`: with its own data where that has a place in the primary's, else with a copy. */
  rejoin(context: EngineContext, instance: InstanceFacts): Promise<Rejoined>;
}

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
   * Before an instance leaves: what it may have acknowledged is on another one that stays, and no commit waits for it. Nothing is
   * asked of itself. Throws, and takes back what it did, where that does not come about.
   */
  release(context: EngineContext, leaving: InstanceFacts): Promise<void>;
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
  /**
   * On the primary: commits wait for one of the replicas of `context.cluster` where it is synchronous, and for none where it is not or
   * has no replica. In force on return.
   */
  applySynchronous(context: EngineContext): Promise<void>;
  /** How another instance becomes the primary. Null: the engine has no promotion. */
  readonly promotion: Promotion | null;
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
