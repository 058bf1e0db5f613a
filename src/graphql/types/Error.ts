import { typeBrandKey } from '@pothos/core';
import {
  BackupInUseError,
  BackupNameTakenError,
  BackupNotRestorableError,
  ClusterBusyError,
  ClusterStatusError,
  DeletionProtectedError,
  type DomainError,
  EngineUnavailableError,
  type ErrorCode as ErrorCodeName,
  type FieldFault,
  ForbiddenError,
  IdempotencyConflictError,
  IncompleteBackupError,
  InvalidInputError,
  NameTakenError,
  NotFoundError,
  OperationNotCancellableError,
  OperationNotRetryableError,
  RestoreSizeMismatchError,
  StaleVersionError,
  TopologyError,
  type TopologyRule as TopologyRuleName,
} from '#domain/errors.ts';
import { builder } from '../builder.ts';
import { describedEnum } from '../describedEnum.ts';
import { requireActor } from '../errors.ts';

export const ErrorCode = describedEnum<ErrorCodeName>(
  'ErrorCode',
  'What went wrong, for programs. A code keeps its meaning for ever; more may be added.',
  {
    NOT_FOUND: 'It is not there, or it is of another project: never told apart.',
    FORBIDDEN: "The key's role does not include this.",
    INVALID_INPUT: 'A field of the input is not as it must be; `fields` says which.',
    CLUSTER_BUSY: 'Another operation holds the cluster.',
    STALE_VERSION: 'The cluster has changed since the version that was expected.',
    IDEMPOTENCY_CONFLICT: 'The idempotency key was used for another request.',
    NAME_TAKEN: 'Another cluster of the project has the name.',
    ENGINE_UNAVAILABLE: 'The engine or its version is unknown, or cannot be run here.',
    TOPOLOGY: "The number or the sizes of the instances break the engine's rule.",
    DELETION_PROTECTED: 'The cluster is protected from deletion.',
    CLUSTER_STATUS: "The cluster's status does not allow this.",
    OPERATION_NOT_CANCELLABLE: 'The operation has ended, or is past its point of no return.',
    OPERATION_NOT_RETRYABLE: 'The operation did not fail, or its cluster has changed since.',
    BACKUP_NAME_TAKEN: 'Another backup of the cluster has the name.',
    BACKUP_IN_USE: 'The backup is being taken, restored or verified.',
    BACKUP_NOT_RESTORABLE: 'The backup cannot be restored, or not so.',
    INCOMPLETE_BACKUP: 'Parts of the backup are missing.',
    RESTORE_SIZE_MISMATCH: 'The number of instances asked for is not that in the backup.',
  },
);

const TopologyRule = describedEnum<TopologyRuleName>(
  'TopologyRule',
  'A rule on the instances of a cluster. More may be added.',
  {
    INSTANCE_COUNT: 'The number of instances lies between a minimum and a maximum.',
    ODD_INSTANCE_COUNT: 'The number of instances is odd, so that a majority always exists.',
    EQUAL_SIZES: 'All instances of a cluster have the same size.',
  },
);

export const ErrorInterface = builder.interfaceRef<DomainError>('Error').implement({
  description: 'An expected failure. Select it in every result, so that errors added later are seen too.',
  fields: (t) => ({
    code: t.expose('code', { type: ErrorCode, description: 'What went wrong, for programs.' }),
    message: t.exposeString('message', { description: 'What went wrong and what can be done, for people.' }),
  }),
});

const interfaces = [ErrorInterface];

/** An error as a value of a field. GraphQL takes what is an instance of Error as thrown, wherever it finds it. */
export function asValue(error: DomainError): DomainError {
  return { ...error, message: error.message, [typeBrandKey]: error.constructor } as unknown as DomainError;
}

builder.objectType(NotFoundError, {
  name: 'NotFoundError',
  description: 'What the input names is not there, or is of another project: never told apart.',
  interfaces,
  fields: (t) => ({ what: t.exposeString('what', { description: 'What was looked for, in words.' }) }),
});

builder.objectType(ForbiddenError, {
  name: 'ForbiddenError',
  description: "The key's role does not include this.",
  interfaces,
  fields: (t) => ({
    requiredRole: t.exposeString('requiredRole', { description: 'The least role that may do it.' }),
  }),
});

const InputFault = builder.objectRef<FieldFault>('InputFault').implement({
  description: 'One fault of an input.',
  fields: (t) => ({
    path: t.exposeString('path', { description: 'Dotted path into the input, e.g. `accessRules.0.cidr`.' }),
    message: t.exposeString('message', { description: 'What is wrong there and what is allowed.' }),
  }),
});

builder.objectType(InvalidInputError, {
  name: 'InvalidInputError',
  description: 'The input is not as it must be. Nothing was changed.',
  interfaces,
  fields: (t) => ({
    fields: t.field({
      type: [InputFault],
      description: 'Every fault that was found.',
      resolve: ({ fields }) => fields,
    }),
  }),
});

builder.objectType(ClusterBusyError, {
  name: 'ClusterBusyError',
  description: 'Another operation holds the cluster: one at a time.',
  interfaces,
  fields: (t) => ({
    operation: t.prismaField({
      type: 'Operation',
      description: 'The operation that holds it.',
      resolve: (query, { operationId }, _args, context) =>
        context.db.operation.findUniqueOrThrow({
          ...query,
          where: { id: operationId, projectId: requireActor(context).projectId },
        }),
    }),
  }),
});

builder.objectType(StaleVersionError, {
  name: 'StaleVersionError',
  description: 'The cluster is not at the version that was expected: it has changed since it was read.',
  interfaces,
  fields: (t) => ({ currentVersion: t.exposeInt('currentVersion', { description: 'The version that it is at.' }) }),
});

builder.objectType(IdempotencyConflictError, {
  name: 'IdempotencyConflictError',
  description: 'The idempotency key was used for another request.',
  interfaces,
  fields: (t) => ({ idempotencyKey: t.exposeString('idempotencyKey', { description: 'The key that was given.' }) }),
});

builder.objectType(NameTakenError, {
  name: 'NameTakenError',
  description: 'Another cluster of the project has the name. The name of a deleted cluster is free.',
  interfaces,
  fields: (t) => ({ takenName: t.exposeString('takenName', { description: 'The name that was asked for.' }) }),
});

builder.objectType(EngineUnavailableError, {
  name: 'EngineUnavailableError',
  description: 'The engine or its version is unknown, or cannot be run here.',
  interfaces,
  fields: (t) => ({ reason: t.exposeString('reason', { description: 'Why, and how to get it where that is known.' }) }),
});

builder.objectType(TopologyError, {
  name: 'TopologyError',
  description: "The instances break the engine's rule.",
  interfaces,
  fields: (t) => ({
    rule: t.expose('rule', { type: TopologyRule, description: 'The rule that is broken.' }),
    minimum: t.exposeInt('minimum', { description: 'The fewest instances that the engine allows.' }),
    maximum: t.exposeInt('maximum', { description: 'The most instances that the engine allows.' }),
  }),
});

builder.objectType(DeletionProtectedError, {
  name: 'DeletionProtectedError',
  description: 'The cluster is protected from deletion. Turn `deletionProtection` off with `updateCluster` first.',
  interfaces,
});

builder.objectType(ClusterStatusError, {
  name: 'ClusterStatusError',
  description: "The cluster's status does not allow this.",
  interfaces,
  fields: (t) => ({
    status: t.exposeString('status', { description: 'The status that it has.' }),
    allowedStatuses: t.stringList({
      description: 'The statuses in which it can be done.',
      resolve: ({ allowedStatuses }) => allowedStatuses,
    }),
  }),
});

builder.objectType(OperationNotCancellableError, {
  name: 'OperationNotCancellableError',
  description: 'The operation has ended, or is past its point of no return.',
  interfaces,
  fields: (t) => ({ reason: t.exposeString('reason', { description: 'Why, in words.' }) }),
});

builder.objectType(OperationNotRetryableError, {
  name: 'OperationNotRetryableError',
  description: 'The operation did not fail, or its cluster has changed since.',
  interfaces,
  fields: (t) => ({ reason: t.exposeString('reason', { description: 'Why, in words.' }) }),
});

builder.objectType(BackupNameTakenError, {
  name: 'BackupNameTakenError',
  description: 'Another backup of the cluster has the name. The name of a deleted backup is free.',
  interfaces,
  fields: (t) => ({ takenName: t.exposeString('takenName', { description: 'The name that was asked for.' }) }),
});

builder.objectType(BackupInUseError, {
  name: 'BackupInUseError',
  description: 'The backup is being taken, restored or verified: its files have to stay.',
  interfaces,
  fields: (t) => ({
    operation: t.prismaField({
      type: 'Operation',
      description: 'The operation that uses it.',
      resolve: (query, { operationId }, _args, context) =>
        context.db.operation.findUniqueOrThrow({
          ...query,
          where: { id: operationId, projectId: requireActor(context).projectId },
        }),
    }),
  }),
});

builder.objectType(BackupNotRestorableError, {
  name: 'BackupNotRestorableError',
  description: 'The backup cannot be restored, or not so.',
  interfaces,
  fields: (t) => ({ reason: t.exposeString('reason', { description: 'Why, in words.' }) }),
});

builder.objectType(IncompleteBackupError, {
  name: 'IncompleteBackupError',
  description: 'Parts of the backup are missing from the backup store.',
  interfaces,
  fields: (t) => ({
    missing: t.stringList({
      description: 'Names of the instances whose parts are missing.',
      resolve: ({ missing }) => missing,
    }),
  }),
});

builder.objectType(RestoreSizeMismatchError, {
  name: 'RestoreSizeMismatchError',
  description: 'A restore makes as many instances as the backup has parts, each from its own.',
  interfaces,
  fields: (t) => ({
    backupSize: t.exposeInt('backupSize', { description: 'Instances in the backup.' }),
    requestedSize: t.exposeInt('requestedSize', { description: 'Instances that were asked for.' }),
  }),
});
