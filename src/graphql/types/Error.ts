import { typeBrandKey } from '@pothos/core';
import {
  ClusterBusyError,
  ClusterStatusError,
  DeletionProtectedError,
  type DomainError,
  EngineUnavailableError,
  type ErrorCode as ErrorCodeName,
  type FieldFault,
  ForbiddenError,
  IdempotencyConflictError,
  InstanceNotPromotableError,
  InstanceNotRejoinableError,
  InstanceStatusError,
  InvalidInputError,
  MinimumInstancesError,
  NameTakenError,
  NoPrimaryError,
  NotFoundError,
  OperationNotCancellableError,
  OperationNotRetryableError,
  PrimaryHealthyError,
  PrimaryNotDroppableError,
  PromotionUnsupportedError,
  QuotaExceededError,
  ReplicasUnseenError,
  ReplicaTooFarBehindError,
  StaleVersionError,
  TopologyError,
  type TopologyRule as TopologyRuleName,
  type UnpromotableReason as UnpromotableReasonName,
} from '#domain/errors.ts';
import { builder } from '../builder.ts';
import { describedEnum } from '../describedEnum.ts';
import { requireActor } from '../errors.ts';
import { QuotaResource } from './Quota.ts';

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
  description:
    'Another cluster of the project, or another instance of the cluster, has the name. Names of what is deleted are free.',
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

builder.objectType(QuotaExceededError, {
  name: 'QuotaExceededError',
  description: 'It is more than the project may have. An ADMIN can raise the quota with `updateProject`.',
  interfaces,
  fields: (t) => ({
    resource: t.expose('resource', { type: QuotaResource, description: 'What there would be too much of.' }),
    limit: t.exposeInt('limit', { description: 'The most that is accepted.' }),
    used: t.exposeInt('used', { description: 'What counts against it already, with what is reserved.' }),
    requested: t.exposeInt('requested', { description: 'What was asked for besides.' }),
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

builder.objectType(InstanceStatusError, {
  name: 'InstanceStatusError',
  description: 'The status of one of the instances does not allow this; `message` says why and what can be done.',
  interfaces,
  fields: (t) => ({
    instance: t.prismaField({
      type: 'Instance',
      description: 'The instance.',
      resolve: (query, { instanceId }, _args, context) =>
        context.db.instance.findUniqueOrThrow({
          ...query,
          where: { id: instanceId, projectId: requireActor(context).projectId },
        }),
    }),
    status: t.exposeString('status', { description: 'The status that it had.' }),
  }),
});

builder.objectType(MinimumInstancesError, {
  name: 'MinimumInstancesError',
  description: 'Fewer instances would remain than the engine needs. `deleteCluster` removes all of a cluster.',
  interfaces,
  fields: (t) => ({
    minimum: t.exposeInt('minimum', { description: 'The fewest instances that the engine allows.' }),
    remaining: t.exposeInt('remaining', { description: 'How many would remain.' }),
  }),
});

builder.objectType(PrimaryNotDroppableError, {
  name: 'PrimaryNotDroppableError',
  description: 'The primary is among the instances to drop. Promote another one first.',
  interfaces,
  fields: (t) => ({
    instance: t.prismaField({
      type: 'Instance',
      description: 'The primary.',
      resolve: (query, { instanceId }, _args, context) =>
        context.db.instance.findUniqueOrThrow({
          ...query,
          where: { id: instanceId, projectId: requireActor(context).projectId },
        }),
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

builder.objectType(PromotionUnsupportedError, {
  name: 'PromotionUnsupportedError',
  description: 'The engine has no promotion: no instance of its clusters is above the others.',
  interfaces,
});

const UnpromotableReason = describedEnum<UnpromotableReasonName>(
  'UnpromotableReason',
  'Why an instance cannot be made the primary. More may be added.',
  {
    IS_PRIMARY: 'It is the primary already.',
    NOT_A_REPLICA: 'It is not a replica.',
    NOT_HEALTHY: 'It does not serve, its agent is away, or it does not follow the primary.',
    NO_CANDIDATE: 'The cluster has no replica that could take over.',
  },
);

builder.objectType(InstanceNotPromotableError, {
  name: 'InstanceNotPromotableError',
  description: 'The instance cannot be made the primary now; or, where none was named, none can.',
  interfaces,
  fields: (t) => ({
    reason: t.expose('reason', { type: UnpromotableReason, description: 'Why not, for programs.' }),
  }),
});

builder.objectType(ReplicaTooFarBehindError, {
  name: 'ReplicaTooFarBehindError',
  description: "The replica lacks more of the primary's data than is allowed.",
  interfaces,
  fields: (t) => ({
    lagBytes: t.expose('lagBytes', { type: 'BigInt', description: 'How far behind it is, in bytes.' }),
    limitBytes: t.expose('limitBytes', { type: 'BigInt', description: 'How far behind it may be, in bytes.' }),
  }),
});

builder.objectType(PrimaryHealthyError, {
  name: 'PrimaryHealthyError',
  description: 'A failover was asked for while the primary is healthy. Use mode PLANNED.',
  interfaces,
});

builder.objectType(NoPrimaryError, {
  name: 'NoPrimaryError',
  description: 'There is no healthy primary that could hand its role over, or be followed.',
  interfaces,
});

builder.objectType(ReplicasUnseenError, {
  name: 'ReplicasUnseenError',
  description:
    'The cluster is synchronous, and a replica that is not seen may have acknowledged writes that no other has.',
  interfaces,
  fields: (t) => ({
    unseen: t.stringList({
      description: 'The names of the replicas that are not seen.',
      resolve: ({ unseen }) => unseen,
    }),
  }),
});

builder.objectType(InstanceNotRejoinableError, {
  name: 'InstanceNotRejoinableError',
  description: 'The instance cannot, or need not, be made to follow the primary again.',
  interfaces,
  fields: (t) => ({ reason: t.exposeString('reason', { description: 'Why, in words.' }) }),
});
