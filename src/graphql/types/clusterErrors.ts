import {
  ClusterBusyError,
  ClusterStatusError,
  DeletionProtectedError,
  EngineUnavailableError,
  NameTakenError,
  StaleVersionError,
} from '#domain/errors.ts';
import { QuotaExceededError } from '#domain/quota.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { ErrorInterface } from './Error.ts';
import { QuotaResource } from './Quota.ts';

const interfaces = [ErrorInterface];

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
