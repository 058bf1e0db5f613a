import type { JsonObject } from '#lib/json.ts';

/** Codes of expected failures. A code is for ever; more may be added. */
export const errorCodes = [
  'NOT_FOUND',
  'FORBIDDEN',
  'INVALID_INPUT',
  'CLUSTER_BUSY',
  'STALE_VERSION',
  'IDEMPOTENCY_CONFLICT',
  'NAME_TAKEN',
  'ENGINE_UNAVAILABLE',
  'TOPOLOGY',
  'DELETION_PROTECTED',
  'CLUSTER_STATUS',
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
  constructor(what: string) {
    super(`${what} does not exist in this project.`);
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
  constructor(takenName: string) {
    super(`The name "${takenName}" is taken by another cluster of this project.`);
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

export const topologyRules = ['INSTANCE_COUNT', 'ODD_INSTANCE_COUNT', 'EQUAL_SIZES'] as const;
export type TopologyRule = (typeof topologyRules)[number];

export class TopologyError extends DomainError {
  readonly code = 'TOPOLOGY';
  readonly rule: TopologyRule;
  /** The fewest instances that the engine allows. */
  readonly minimum: number;
  /** The most instances that the engine allows. */
  readonly maximum: number;
  constructor(message: string, { rule, minimum, maximum }: { rule: TopologyRule; minimum: number; maximum: number }) {
    super(message);
    this.rule = rule;
    this.minimum = minimum;
    this.maximum = maximum;
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
  constructor(cluster: string, status: string, allowedStatuses: readonly string[]) {
    super(`Cluster "${cluster}" is ${status}; this is possible only while it is ${allowedStatuses.join(' or ')}.`);
    this.status = status;
    this.allowedStatuses = allowedStatuses;
  }
}

export class OperationNotCancellableError extends DomainError {
  readonly code = 'OPERATION_NOT_CANCELLABLE';
  readonly reason: string;
  constructor(kind: string, reason: string) {
    super(`Operation ${kind} cannot be cancelled: ${reason}.`);
    this.reason = reason;
  }
}

export class OperationNotRetryableError extends DomainError {
  readonly code = 'OPERATION_NOT_RETRYABLE';
  readonly reason: string;
  constructor(kind: string, reason: string) {
    super(`Operation ${kind} cannot be retried: ${reason}.`);
    this.reason = reason;
  }
}

export class BackupNameTakenError extends DomainError {
  readonly code = 'BACKUP_NAME_TAKEN';
  readonly takenName: string;
  constructor(takenName: string, cluster: string) {
    super(`The name "${takenName}" is taken by another backup of cluster "${cluster}".`);
    this.takenName = takenName;
  }
}

/** The backup is being taken, restored or verified: its files have to stay. */
export class BackupInUseError extends DomainError {
  readonly code = 'BACKUP_IN_USE';
  /** The operation that uses it. */
  readonly operationId: string;
  constructor(backup: string, operation: { id: string; kind: string }) {
    super(`Backup "${backup}" is in use by operation ${operation.kind}. Wait for it to end, or cancel it.`);
    this.operationId = operation.id;
  }
}

export class BackupNotRestorableError extends DomainError {
  readonly code = 'BACKUP_NOT_RESTORABLE';
  readonly reason: string;
  constructor(backup: string, reason: string) {
    super(`Backup "${backup}" cannot be restored: ${reason}.`);
    this.reason = reason;
  }
}

export class IncompleteBackupError extends DomainError {
  readonly code = 'INCOMPLETE_BACKUP';
  /** Names of the instances whose parts are missing. */
  readonly missing: readonly string[];
  constructor(backup: string, missing: readonly string[]) {
    super(`Backup "${backup}" cannot be restored: the parts of ${missing.join(', ')} are missing.`);
    this.missing = missing;
  }
}

export class RestoreSizeMismatchError extends DomainError {
  readonly code = 'RESTORE_SIZE_MISMATCH';
  /** Instances in the backup. */
  readonly backupSize: number;
  /** Instances that were asked for. */
  readonly requestedSize: number;
  constructor(backup: string, backupSize: number, requestedSize: number) {
    super(
      `Backup "${backup}" has parts of ${backupSize} instances, so ${backupSize} can be made of it, not ${requestedSize}.`,
    );
    this.backupSize = backupSize;
    this.requestedSize = requestedSize;
  }
}
