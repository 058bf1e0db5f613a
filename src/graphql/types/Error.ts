import { typeBrandKey } from '@pothos/core';
import {
  type DomainError,
  type ErrorCode as ErrorCodeName,
  type FieldFault,
  ForbiddenError,
  IdempotencyConflictError,
  InvalidInputError,
  NotFoundError,
} from '#domain/errors.ts';
import { builder } from '../builder.ts';
import { describedEnum } from '../describedEnum.ts';

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
    NAME_TAKEN: 'Another cluster of the project, or another instance of the cluster, has the name.',
    ENGINE_UNAVAILABLE: 'The engine or its version is unknown, or cannot be run here.',
    TOPOLOGY: "The number or the sizes of the instances break the engine's rule.",
    QUOTA_EXCEEDED: 'It is more than the project may have.',
    DELETION_PROTECTED: 'The cluster is protected from deletion.',
    CLUSTER_STATUS: "The cluster's status does not allow this.",
    PROMOTION_UNSUPPORTED: 'The engine has no promotion.',
    INSTANCE_NOT_PROMOTABLE: 'The instance (or any instance) cannot be made the primary now; `reason` says why.',
    REPLICA_TOO_FAR_BEHIND: "The replica lacks more of the primary's data than is allowed.",
    PRIMARY_HEALTHY: 'A failover was asked for while the primary is healthy.',
    NO_PRIMARY: 'There is no healthy primary.',
    REPLICAS_UNSEEN:
      'A synchronous cluster: a replica that is not seen may have acknowledged writes that no other has.',
    INSTANCE_NOT_REJOINABLE: 'The instance cannot, or need not, be made to follow the primary again.',
    INSTANCE_STATUS: 'The status of one of the instances does not allow this.',
    MINIMUM_INSTANCES: 'Fewer instances would remain than the engine needs.',
    PRIMARY_NOT_DROPPABLE: 'The primary is among the instances to drop.',
    OPERATION_NOT_CANCELLABLE: 'The operation has ended, or is past its point of no return.',
    OPERATION_NOT_RETRYABLE: 'The operation did not fail, or its cluster has changed since.',
    BACKUP_NAME_TAKEN: 'Another backup of the cluster has the name.',
    BACKUP_IN_USE: 'The backup is being taken, restored or verified.',
    BACKUP_NOT_RESTORABLE: 'The backup cannot be restored, or not so.',
    INCOMPLETE_BACKUP: 'Parts of the backup are missing.',
    RESTORE_SIZE_MISMATCH: 'The number of instances asked for is not that in the backup.',
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

builder.objectType(IdempotencyConflictError, {
  name: 'IdempotencyConflictError',
  description: 'The idempotency key was used for another request.',
  interfaces,
  fields: (t) => ({ idempotencyKey: t.exposeString('idempotencyKey', { description: 'The key that was given.' }) }),
});
