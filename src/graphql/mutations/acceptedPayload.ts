import type { Accepted } from '#operations/accept.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';

/** A payload with the cluster and the operation, for every mutation that accepts or steers one. */
export function acceptedPayload(name: string, description: string) {
  return builder.objectRef<Accepted>(name).implement({
    description,
    fields: (t) => ({
      cluster: t.prismaField({
        type: 'Cluster',
        description: 'The cluster, with the change that was recorded.',
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
