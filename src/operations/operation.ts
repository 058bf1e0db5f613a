import type { z } from 'zod';
import type { BackupStore } from '#backups/backupStore.ts';
import type { StorePlace } from '#backups/storeSettings.ts';
import type { Actor, Permission } from '#domain/actor.ts';
import type { DomainError } from '#domain/errors.ts';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import type { QuotaDemand } from '#domain/quota.ts';
import type { Warning } from '#domain/warning.ts';
import type { Engine, EngineContext } from '#engines/engine.ts';
import type { Change } from '#events/transact.ts';
import type { OperationStep } from '#generated/prisma/client.ts';
import type { ClusterLifecycle, OperationKind } from '#generated/prisma/enums.ts';
import type { SecretBox } from '#lib/secrets/secretBox.ts';
import type { Clock } from '#lib/time/clock.ts';
import type { JsonObject } from '#lib/values/json.ts';
import type { Provider } from '#providers/provider.ts';
import type { Transaction } from '#store/database.ts';
import type { OperationDeps, OperationTiming } from './deps.ts';
import type { Ending, OperationError } from './ending.ts';

/** What blockers judge: the cluster as it is, and its engine. */
export type Facts = { cluster: ClusterFacts; engine: Engine };

/** A step as announced when the operation is accepted. */
export type PlannedStep = {
  /** Unique in its operation and for ever the same for the same work: a worker that resumes finds its record by it. */
  key: string;
  /** For people, e.g. "join orders-2". */
  name: string;
  instanceId: string | null;
};

/** What a step's work gets: facts read as the step begins, and the machines. */
export type StepContext = EngineContext & {
  engine: Engine;
  provider: Provider;
  backups: { store: BackupStore; place: StorePlace };
  operationId: string;
  projectName: string;
  clock: Clock;
  timing: Pick<OperationTiming, 'agentHangsMs' | 'agentSilentMs'>;
  /** Changes rows with their events. Refused once another worker has taken the operation over. */
  change<T>(work: (change: Change) => Promise<T>): Promise<T>;
  /** Sets what is being done to instances, and their statuses with it. */
  setActivity(
    instances: readonly Pick<InstanceFacts, 'id'>[],
    activity: InstanceFacts['activity'],
    /** Done in the same transaction, after it. */
    also?: (change: Change, now: Date) => Promise<void>,
  ): Promise<void>;
  /** Done in the transaction that records the step's success, and so once, whatever dies. Only what the last call asked for. */
  onSuccess(work: (change: Change) => Promise<void>): void;
  /** Waits until the cluster as observed is as told; `what` says for people what is waited for. */
  until(what: string, isReached: (cluster: ClusterFacts) => boolean): Promise<ClusterFacts>;
  /** As `until`, but null if it is not so within that many milliseconds. */
  untilIn(withinMs: number, what: string, isReached: (cluster: ClusterFacts) => boolean): Promise<ClusterFacts | null>;
};

/**
 * Runs one planned step, or answers from its record if it was done before. The work is done at least once, so it must be safe
 * to do twice. Its result is stored as JSON for the steps after it and for a worker that resumes.
 */
export type RunStep = <R extends JsonObject | null>(
  key: string,
  work: (context: StepContext) => Promise<R>,
) => Promise<R>;

/** What `run` gets: the cluster as it was when the worker took the operation up, and the steps as they were announced. */
export type RunContext = {
  cluster: ClusterFacts;
  engine: Engine;
  planned: readonly Pick<PlannedStep, 'key' | 'instanceId'>[];
  step: RunStep;
};

/** What a creation may use while it writes its rows. */
export type CreationContext = {
  projectId: string;
  engines: Readonly<Record<string, Engine>>;
  /** The provider that new instances come from. */
  providerName: string;
  secrets: SecretBox;
};

/** What an operation that ends badly takes back with. */
export type CleanUpContext = Pick<
  StepContext,
  keyof EngineContext | 'engine' | 'provider' | 'backups' | 'operationId' | 'clock' | 'change' | 'setActivity'
>;

/** Which cluster an operation is of: one that is there, or one whose rows it writes when it is accepted. */
export type Subject<Input> =
  | { kind: 'EXISTING'; clusterId(input: Input): string }
  | {
      kind: 'NEW';
      /** Every reason why it cannot be made. Reads only; what a constraint decides is decided by `create`. */
      blockers?(tx: Transaction, context: CreationContext, input: Input): Promise<DomainError[]>;
      /** Writes its rows. Throws a DomainError where it cannot. */
      create(change: Change, context: CreationContext, input: Input): Promise<string>;
    };

/** Everything about one thing that the system can be told to do to a cluster. */
export type OperationDefinition<Input> = {
  kind: OperationKind;
  permission: Permission;
  /** Further permissions that fields of an input ask for. */
  inputPermissions?(input: Input): { field: string; permission: Permission }[];
  input: z.ZodType<Input>;
  subject: Subject<Input>;
  /**
   * Before the transaction that accepts or rehearses it: what is recorded of things outside is brought up to date, as far as the request
   * depends on it. It has to answer within seconds, and to bring nothing about.
   */
  lookAgain?(deps: Pick<OperationDeps, 'db' | 'backups'>, projectId: string, input: Input): Promise<void>;
  /** From acceptance to failure if it has not ended, in milliseconds. */
  deadlineMs: number;
  /** Every reason why it cannot be done now, whatever the input. Pure; also answers `cluster.allowedActions`. */
  blockers(facts: Facts): DomainError[];
  /** The reasons that lie in this input. Pure. */
  inputBlockers?(facts: Facts, input: Input): DomainError[];
  /**
   * What it takes of the project's quota, or gives back. Reads only; left out: nothing. The facts are those before `accept`; of a new
   * cluster, as created. Reserved by the rows that its acceptance writes, in the same transaction.
   */
  quota?(facts: Facts, input: Input, tx: Transaction): QuotaDemand | Promise<QuotaDemand>;
  /** What is allowed and may yet not be meant, for a dry run. Writes nothing. */
  warnings?(facts: Facts, input: Input, tx: Transaction): Warning[] | Promise<Warning[]>;
  /** In the accepting transaction: record the intent, touch no machine. */
  accept?(change: Change, facts: Facts, input: Input): Promise<void>;
  /** In the accepting transaction, once the operation has its id: rows that name it. */
  record?(
    change: Change,
    accepted: { operationId: string; actor: Actor; now: Date },
    facts: Facts,
    input: Input,
  ): Promise<void>;
  /** Why one that ended badly can never be run again, in words. Left out: it can. */
  notRetryable?: string;
  /** In the transaction of a retry: what failed is begun again. Throws a DomainError where it cannot be. */
  reopen?(
    change: Change,
    facts: Facts,
    planned: RunContext['planned'],
    asked: { operationId: string; now: Date; input: Input },
  ): Promise<void>;
  /**
   * True where an operation that ended with this error, and with its steps so, had given back all that it did. A retry then begins with its first step, if
   * nothing blocks it now. Left out: never; a retry begins with what did not succeed.
   */
  beginsAnew?(error: OperationError, steps: readonly Pick<OperationStep, 'key' | 'attempt'>[]): boolean;
  /** Every step, in order, from the facts after `accept`. No step: it is done with its acceptance. */
  plan(facts: Facts, input: Input): PlannedStep[];
  /** In a worker. Answers with the operation's result. */
  run(context: RunContext, input: Input): Promise<JsonObject>;
  /**
   * In a worker, once it is recorded how the operation ends badly, so that no step runs any more: takes back what must not stay. Safe to
   * do twice. Answers what the cluster's life becomes; null: as `lifecycle` says. Where it throws, or takes longer than 90 s, the
   * operation ends all the same.
   */
  cleanUp?(context: CleanUpContext, ending: Ending): Promise<ClusterLifecycle | null>;
  /**
   * True: writes wait for it, so it does not wait until a worker has a place free that others took. Only for what ends soon: the places that
   * are kept for such ones are few too. Left out: it waits its turn.
   */
  urgent?: boolean;
  /** What the cluster's life becomes when it ended well, and when it did not. Null: it stays. */
  lifecycle: { onSuccess: ClusterLifecycle | null; onFailure: ClusterLifecycle | null };
  /** The step from whose beginning on it can no longer be cancelled. Null: it can be cancelled to its end. */
  pointOfNoReturn: string | null;
  /**
   * True: past its point of no return its deadline does not stop it, since half-way is where it must not be left. Only where all that it
   * waits for from there on has a limit of its own. Left out: the deadline holds to its end.
   */
  outlastsDeadline?: boolean;
};

export const isUrgent = ({ urgent }: Pick<OperationDefinition<never>, 'urgent'>): boolean => urgent ?? false;

/** Keeps the input's type while the definition is written. */
export function defineOperation<Input>(definition: OperationDefinition<Input>): OperationDefinition<Input> {
  return definition;
}
