import type { Actor as ActorFacts } from '#domain/actor.ts';
import { isFinished } from '#domain/operationStatus.ts';
import type { Prisma } from '#generated/prisma/client.ts';
import type {
  OperationKind as OperationKindName,
  OperationStatus as OperationStatusName,
  StepStatus as StepStatusName,
} from '#generated/prisma/enums.ts';
import { retryRefusal } from '#operations/retryRefusal.ts';
import { builder } from '../builder.ts';
import { keysetConnection } from '../connections/keysetConnection.ts';
import { nodesOf } from '../connections/nodesOf.ts';
import { describedEnum } from '../describedEnum.ts';
import { requireActor } from '../errors.ts';
import { idsOf } from '../globalId.ts';
import { Actor } from './Actor.ts';
import { directionOf, OrderDirection } from './filters.ts';
import { OperationResult } from './OperationResult.ts';

export const OperationKind = describedEnum<OperationKindName>(
  'OperationKind',
  'The kinds of lifecycle change. More may be added.',
  {
    CREATE_CLUSTER: 'Make a cluster and its instances.',
    UPDATE_CLUSTER: 'Change who may connect, the deletion protection, or the backup policy.',
    DELETE_CLUSTER: 'Remove everything of a cluster but its record.',
    PROMOTE_INSTANCE: 'Make a replica the primary.',
    REJOIN_INSTANCE: 'Make an instance follow the primary again.',
    ADD_INSTANCES: 'Make a cluster larger.',
    DROP_INSTANCES: 'Take instances out of a cluster and release all that they have.',
    RESTART_CLUSTER: 'Restart servers, one after the other or all at once.',
    BACKUP_CLUSTER: 'Copy every instance of a cluster into the backup store.',
    RESTORE_CLUSTER: 'Make a new cluster with the data of a backup.',
    DELETE_BACKUP: 'Remove the files of a backup of the cluster.',
    VERIFY_BACKUP: 'Restore a backup into a cluster that is made for that and removed afterwards.',
  },
);

export const OperationStatus = describedEnum<OperationStatusName>(
  'OperationStatus',
  'How an operation stands. SUCCEEDED, FAILED and CANCELLED are its ends.',
  {
    QUEUED: 'Accepted; waits for a worker.',
    RUNNING: 'A worker runs its steps.',
    CANCELLING: 'Asked to stop; ends at the next step border.',
    SUCCEEDED: 'All done, and verified.',
    FAILED: 'Ended without doing all; `error` says why. `retryOperation` runs it again from the failed step.',
    CANCELLED: 'Stopped on request. `retryOperation` runs it again.',
  },
);

const StepStatus = describedEnum<StepStatusName>('StepStatus', 'How a step stands.', {
  PENDING: 'Not begun.',
  RUNNING: 'Begun.',
  SUCCEEDED: 'Done.',
  FAILED: 'Could not be done.',
  SKIPPED: 'Not needed, or not reached before the operation ended.',
});

type OperationErrorFacts = { code: string; message: string; step: string | null; retryable: boolean };

const OperationError = builder.objectRef<OperationErrorFacts>('OperationError').implement({
  description: 'Why an operation failed.',
  fields: (t) => ({
    code: t.exposeString('code', { description: 'What went wrong, for programs. More codes may be added.' }),
    message: t.exposeString('message', { description: 'What went wrong, for people.' }),
    step: t.exposeString('step', {
      nullable: true,
      description: 'The name of the step that failed; null if it was none.',
    }),
    retryable: t.exposeBoolean('retryable', {
      description:
        'True if `retryOperation` takes the operation as the cluster is now, and may help without any other change. False also where it ' +
        'takes it, but what `message` says has to be mended first.',
    }),
  }),
});

builder.prismaObject('OperationStep', {
  select: { operationId: true, key: true },
  fields: (t) => ({
    position: t.exposeInt('position', {
      description: 'Its place in the operation, from 0; the same for the same work.',
    }),
    name: t.exposeString('name', { description: 'What is done, in words.' }),
    instance: t.relation('instance', {
      nullable: true,
      description: 'The instance that it works on; null if it is none.',
    }),
    status: t.expose('status', { type: StepStatus, description: 'How it stands.' }),
    attempt: t.exposeInt('attempt'),
    message: t.exposeString('message', {
      nullable: true,
      description: 'How it went, in words; null if there is nothing to say.',
    }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was last begun; null if it was not.',
    }),
    finishedAt: t.expose('finishedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it ended; null if it has not.',
    }),
  }),
});

export const Operation = builder.prismaNode('Operation', {
  id: { field: 'id', description: 'Opaque and for ever the same.' },
  select: { id: true },
  fields: (t) => ({
    kind: t.expose('kind', { type: OperationKind, description: 'What is to be done.' }),
    status: t.expose('status', { type: OperationStatus, description: 'How it stands.' }),
    cluster: t.relation('cluster', { description: 'The cluster that is changed.' }),
    clusterVersion: t.exposeInt('clusterVersion'),
    progress: t.float({
      description: 'The part of its steps that is done: 0 to 1.',
      select: { stepsDone: true, stepsTotal: true, status: true },
      resolve: ({ stepsDone, stepsTotal, status }) => {
        if (stepsTotal === 0) return isFinished(status) ? 1 : 0;
        return Math.min(1, stepsDone / stepsTotal);
      },
    }),
    steps: t.relation('steps', { description: 'Its steps, in order.', query: { orderBy: { position: 'asc' } } }),
    waitingFor: t.exposeString('waitingFor', { nullable: true }),
    error: t.field({
      type: OperationError,
      nullable: true,
      description: 'Why it failed; null if it did not.',
      select: {
        ...{ error: true, kind: true, status: true, clusterVersion: true },
        cluster: { select: { name: true, lifecycle: true, version: true } },
      },
      resolve: ({ error, cluster, ...operation }) => {
        const told = error as OperationErrorFacts | null;
        return told && { ...told, retryable: told.retryable && retryRefusal(operation, cluster) === null };
      },
    }),
    result: t.field({
      type: OperationResult,
      nullable: true,
      description: 'What it brought about; null until it has ended well.',
      select: { kind: true, clusterId: true, clusterVersion: true, result: true },
      resolve: ({ result, ...operation }) => (result === null ? null : { ...operation, result }),
    }),
    requestedBy: t.field({
      type: Actor,
      description: 'Who asked for it.',
      select: { requestedBy: true },
      resolve: ({ requestedBy }) => requestedBy as ActorFacts,
    }),
    attempt: t.exposeInt('attempt', { description: 'How many times a worker has taken it up.' }),
    idempotencyKey: t.exposeString('idempotencyKey', {
      nullable: true,
      description: 'The key that came with the request; null if none did.',
    }),
    cancelRequestedAt: t.expose('cancelRequestedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was asked to stop; null if it was not.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was accepted.' }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When a worker first began it; null if none has.',
    }),
    finishedAt: t.expose('finishedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it ended; null while it has not.',
    }),
    deadlineAt: t.expose('deadlineAt', {
      type: 'DateTime',
      description:
        'When it fails if it has not ended by then. A promotion that has begun to stop the old primary goes on to its end all the same.',
    }),
  }),
});

export const OperationConnection = builder.connectionObject(
  {
    type: Operation,
    name: 'OperationConnection',
    description: 'A page of operations.',
    extensions: nodesOf('Operation'),
  },
  { name: 'OperationEdge', description: 'An operation in a page.' },
);

const OperationFilter = builder.inputType('OperationFilter', {
  description: 'Which operations to list. All that is given must hold.',
  fields: (t) => ({
    clusterId: t.id({ description: 'Only operations on this cluster.' }),
    kind: t.field({ type: [OperationKind], description: 'Only operations of these kinds.' }),
    status: t.field({ type: [OperationStatus], description: 'Only operations with one of these statuses.' }),
  }),
});

const OperationOrderField = describedEnum<'CREATED_AT'>('OperationOrderField', 'What operations are ordered by.', {
  CREATED_AT: 'When it was accepted.',
});

const OperationOrder = builder.inputType('OperationOrder', {
  description: 'The order of a list of operations. Equal ones are ordered by their ids.',
  fields: (t) => ({
    field: t.field({ type: OperationOrderField, defaultValue: 'CREATED_AT', description: 'What to order by.' }),
    direction: t.field({ type: OrderDirection, defaultValue: 'DESC', description: 'Which end comes first.' }),
  }),
});

function operationCondition(
  projectId: string,
  { clusterId, kind, status }: typeof OperationFilter.$inferInput,
): Prisma.OperationWhereInput {
  return {
    projectId,
    ...(clusterId == null ? {} : { clusterId: { in: idsOf('Cluster', [clusterId]) } }),
    ...(kind == null ? {} : { kind: { in: kind } }),
    ...(status == null ? {} : { status: { in: status } }),
  };
}

builder.queryField('operations', (t) =>
  t.connection(
    {
      type: Operation,
      description: "Operations on the project's clusters, the newest first where no order is given.",
      args: {
        filter: t.arg({ type: OperationFilter, description: 'Which operations to list; all when left out.' }),
        orderBy: t.arg({ type: OperationOrder, description: 'The order; the newest first when left out.' }),
      },
      resolve: (_root, { filter, orderBy, ...args }, context, info) =>
        keysetConnection({
          context,
          info,
          args,
          ordering: { column: 'createdAt', direction: directionOf[orderBy?.direction ?? 'DESC'] },
          where: operationCondition(requireActor(context).projectId, filter ?? {}),
          find: (query) => context.db.operation.findMany(query),
          count: (query) => context.db.operation.count(query),
        }),
    },
    OperationConnection,
  ),
);
