import type { Accepted } from '#operations/accept.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';

/** A payload with the cluster, the operation and the backup that the operation takes. */
export function backupPayload(name: string, description: string) {
  return builder.objectRef<Accepted>(name).implement({
    description,
    fields: (t) => ({
      backup: t.prismaField({
        type: 'Backup',
        description: 'The backup, as it was recorded.',
        resolve: (query, { operationId }, _args, context) =>
          context.db.backup.findUniqueOrThrow({
            ...query,
            where: { operationId, projectId: requireActor(context).projectId },
          }),
      }),
      cluster: t.prismaField({
        type: 'Cluster',
        description: 'The cluster that is backed up.',
        resolve: (query, { clusterId: id }, _args, context) =>
          context.db.cluster.findUniqueOrThrow({ ...query, where: { id, projectId: requireActor(context).projectId } }),
      }),
      operation: t.prismaField({
        type: 'Operation',
        description: 'The operation that carries it out; watch it with the subscription `operation`.',
        resolve: (query, { operationId: id }, _args, context) =>
          context.db.operation.findUniqueOrThrow({
            ...query,
            where: { id, projectId: requireActor(context).projectId },
          }),
      }),
    }),
  });
}
