import type { JsonObject } from '#lib/values/json.ts';
import { wayOutOf } from './clusterStatus.ts';

/** Codes of expected failures. A code is for ever; more may be added. */
const errorCodes = [
  'NOT_FOUND',
  'FORBIDDEN',
  'INVALID_INPUT',
  'CLUSTER_BUSY',
  'STALE_VERSION',
  'IDEMPOTENCY_CONFLICT',
  'NAME_TAKEN',
  'ENGINE_UNAVAILABLE',
  'TOPOLOGY',
  'QUOTA_EXCEEDED',
  'DELETION_PROTECTED',
  'CLUSTER_STATUS',
  'PROMOTION_UNSUPPORTED',
  'INSTANCE_NOT_PROMOTABLE',
  'REPLICA_TOO_FAR_BEHIND',
  'PRIMARY_HEALTHY',
  'NO_PRIMARY',
  'REPLICAS_UNSEEN',
  'INSTANCE_NOT_REJOINABLE',
  'INSTANCE_STATUS',
  'MINIMUM_INSTANCES',
  'PRIMARY_NOT_DROPPABLE',
  'OPERATION_NOT_CANCELLABLE',
  'OPERATION_NOT_RETRYABLE',
  'BACKUP_NAME_TAKEN',
  'BACKUP_IN_USE',
  'BACKUP_NOT_RESTORABLE',
  'INCOMPLETE_BACKUP',
  'RESTORE_SIZE_MISMATCH',
] as const;
export type ErrorCode = (typeof errorCodes)[number];

/**
 * An expected failure: data that a program can act on, and a message that names the thing, what was found and what is
 * allowed. Never for bugs, which are plain errors.
 */
export abstract class DomainError extends Error {
  abstract readonly code: ErrorCode;

  /** The error as a blocker is shown and an operation stores it. */
  toJSON(): JsonObject {
    return { code: this.code, message: this.message };
  }
}

/** The thing is not there, or is not the caller's: never told apart. */
export class NotFoundError extends DomainError {
  readonly code = 'NOT_FOUND';
  readonly what: string;
  /** `fault` is the rest of the sentence. */
  constructor(what: string, fault = 'does not exist in this project') {
    super(`${what} ${fault}.`);
    this.what = what;
  }
}

export class ForbiddenError extends DomainError {
  readonly code = 'FORBIDDEN';
  readonly requiredRole: string;
  constructor(action: string, requiredRole: string, role: string) {
    super(`${action} needs a key of role ${requiredRole}; this key has role ${role}.`);
    this.requiredRole = requiredRole;
  }
}

/** One fault of an input: where (dotted path into the input) and what. */
export type FieldFault = { path: string; message: string };

export class InvalidInputError extends DomainError {
  readonly code = 'INVALID_INPUT';
  readonly fields: readonly FieldFault[];
  constructor(fields: readonly FieldFault[]) {
    super(fields.map(({ path, message }) => `${path}: ${message}`).join('; '));
    this.fields = fields;
  }
}

export class ClusterBusyError extends DomainError {
  readonly code = 'CLUSTER_BUSY';
  /** The operation that holds the cluster. */
  readonly operationId: string;
  constructor(cluster: string, operation: { id: string; kind: string }) {
    super(
      `Cluster "${cluster}" is held by operation ${operation.kind}. Wait for it to end, or cancel it with cancelOperation.`,
    );
    this.operationId = operation.id;
  }
}

export class StaleVersionError extends DomainError {
  readonly code = 'STALE_VERSION';
  readonly currentVersion: number;
  constructor(cluster: string, expected: number, currentVersion: number) {
    super(`Cluster "${cluster}" is at version ${currentVersion}, not ${expected}. Read it again before you change it.`);
    this.currentVersion = currentVersion;
  }
}

export class IdempotencyConflictError extends DomainError {
  readonly code = 'IDEMPOTENCY_CONFLICT';
  readonly idempotencyKey: string;
  constructor(idempotencyKey: string) {
    super(`Idempotency key "${idempotencyKey}" was used for another request. Use a new key for a new request.`);
    this.idempotencyKey = idempotencyKey;
  }
}

export class NameTakenError extends DomainError {
  readonly code = 'NAME_TAKEN';
  readonly takenName: string;
  constructor(takenName: string, holder = 'another cluster of this project') {
    super(`The name "${takenName}" is taken by ${holder}.`);
    this.takenName = takenName;
  }
}

export class EngineUnavailableError extends DomainError {
  readonly code = 'ENGINE_UNAVAILABLE';
  readonly reason: string;
  constructor(engine: string, version: string | null, reason: string) {
    super(`Engine ${engine}${version === null ? '' : ` ${version}`} cannot be used here: ${reason}`);
    this.reason = reason;
  }
}

export class DeletionProtectedError extends DomainError {
  readonly code = 'DELETION_PROTECTED';
  constructor(cluster: string) {
    super(
      `Cluster "${cluster}" is protected from deletion. Turn deletionProtection off with updateCluster, then delete it.`,
    );
  }
}

/** The cluster's status does not allow the action. */
export class ClusterStatusError extends DomainError {
  readonly code = 'CLUSTER_STATUS';
  readonly status: string;
  readonly allowedStatuses: readonly string[];
  /** `wayOut`: a sentence, where the status has none of its own. */
  constructor(cluster: string, status: string, allowedStatuses: readonly string[], wayOut: string | null = null) {
    const rule = `this is possible only while it is ${allowedStatuses.join(' or ')}`;
    super([`Cluster "${cluster}" is ${status}; ${rule}.`, wayOutOf(status) ?? wayOut ?? []].flat().join(' '));
    this.status = status;
    this.allowedStatuses = allowedStatuses;
  }
}

export class OperationNotCancellableError extends DomainError {
  readonly code = 'OPERATION_NOT_CANCELLABLE';
  readonly reason: string;
  constructor(kind: string, cluster: string, reason: string) {
    super(`Operation ${kind} of cluster "${cluster}" cannot be cancelled: ${reason}.`);
    this.reason = reason;
  }
}

export class OperationNotRetryableError extends DomainError {
  readonly code = 'OPERATION_NOT_RETRYABLE';
  readonly reason: string;
  constructor(kind: string, reason: string, cluster: string) {
    super(`Operation ${kind} of cluster "${cluster}" cannot be retried: ${reason}.`);
    this.reason = reason;
  }
}

/** The engine's instances are all equal, or it has no way to make another one the primary. */
export class PromotionUnsupportedError extends DomainError {
  readonly code = 'PROMOTION_UNSUPPORTED';
  constructor(engine: string) {
    super(`${engine} has no promotion: no instance of a cluster is above the others.`);
  }
}

const unpromotableReasons = ['IS_PRIMARY', 'NOT_A_REPLICA', 'NOT_HEALTHY', 'NO_CANDIDATE', 'LAG_UNKNOWN'] as const;
export type UnpromotableReason = (typeof unpromotableReasons)[number];

/** The instance (or any instance) cannot be made the primary now. */
export class InstanceNotPromotableError extends DomainError {
  readonly code = 'INSTANCE_NOT_PROMOTABLE';
  readonly reason: UnpromotableReason;
  constructor(message: string, reason: UnpromotableReason) {
    super(message);
    this.reason = reason;
  }
}

export class ReplicaTooFarBehindError extends DomainError {
  readonly code = 'REPLICA_TOO_FAR_BEHIND';
  /** How far behind its primary the replica is, in bytes. */
  readonly lagBytes: number;
  readonly limitBytes: number;
  constructor(replica: string, lagBytes: number, limitBytes: number) {
    super(
      `${replica} is ${lagBytes} bytes behind its primary; at most ${limitBytes} are allowed. Wait until it has caught up, or allow more with maxLagBytes.`,
    );
    this.lagBytes = lagBytes;
    this.limitBytes = limitBytes;
  }
}

export class PrimaryHealthyError extends DomainError {
  readonly code = 'PRIMARY_HEALTHY';
  constructor(cluster: string, primary: string) {
    super(
      `The primary of cluster "${cluster}", ${primary}, is healthy. Use mode PLANNED, which loses nothing; FAILOVER is for a lost primary.`,
    );
  }
}

export class NoPrimaryError extends DomainError {
  readonly code = 'NO_PRIMARY';
  constructor(cluster: string) {
    super(`Cluster "${cluster}" has no healthy primary that could hand its role over. Use mode FAILOVER.`);
  }
}

/** A synchronous cluster: an acknowledged write may be on a replica that nobody sees. */
export class ReplicasUnseenError extends DomainError {
  readonly code = 'REPLICAS_UNSEEN';
  /** Names of the replicas that are not seen. */
  readonly unseen: readonly string[];
  constructor(cluster: string, unseen: readonly string[]) {
    super(
      `Cluster "${cluster}" is synchronous, and ${unseen.join(', ')} may have acknowledged writes that no other replica has. Bring them back, or accept that with acceptDataLoss.`,
    );
    this.unseen = unseen;
  }
}

/** The instance is what it should be, or there is nothing that it could join. */
export class InstanceNotRejoinableError extends DomainError {
  readonly code = 'INSTANCE_NOT_REJOINABLE';
  readonly reason: string;
  constructor(instance: string, reason: string) {
    super(`${instance} cannot be made to follow the primary again: ${reason}.`);
    this.reason = reason;
  }
}
