import type { AllowedAction as AllowedActionFacts } from '#operations/allowedActions.ts';
import { builder } from '../builder.ts';
import { keysetConnection } from '../connections/keysetConnection.ts';
import { requireActor } from '../errors.ts';
import { Cluster } from './Cluster.ts';
import { asValue, ErrorInterface } from './Error.ts';
import { Operation, OperationConnection, OperationKind } from './Operation.ts';

builder.prismaObjectField(Cluster, 'currentOperation', (t) =>
  t.field({
    type: Operation,
    nullable: true,
    description: 'The operation that holds it, from its acceptance to its end; null while it is free.',
    select: (_args, _context, nestedSelection) => ({
      operations: nestedSelection({ where: { finishedAt: null }, take: 1 }),
    }),
    resolve: ({ operations }) => operations[0] ?? null,
  }),
);

builder.prismaObjectField(Cluster, 'operations', (t) =>
  t.connection(
    {
      type: Operation,
      description: 'Every operation on it, the newest first. Costs a statement for each cluster.',
      resolve: ({ id }, args, context, info) =>
        keysetConnection({
          context,
          info,
          args,
          ordering: { column: 'createdAt', direction: 'desc' },
          where: { clusterId: id, projectId: requireActor(context).projectId },
          find: (query) => context.db.operation.findMany(query),
          count: (query) => context.db.operation.count(query),
        }),
    },
    OperationConnection,
  ),
);

const AllowedAction = builder.objectRef<AllowedActionFacts>('AllowedAction').implement({
  description: 'Whether something can be done to a cluster now.',
  fields: (t) => ({
    action: t.expose('action', { type: OperationKind, description: 'What is to be done.' }),
    allowed: t.boolean({
      description: 'True if nothing stands in its way but, perhaps, the role of your key or your input.',
      resolve: ({ blockers }) => blockers.length === 0,
    }),
    blockers: t.field({
      type: [ErrorInterface],
      description: 'Every reason why it cannot be done now: the error that the mutation would answer with.',
      resolve: ({ blockers }) => blockers.map(asValue),
    }),
  }),
});

builder.prismaObjectField(Cluster, 'allowedActions', (t) =>
  t.field({
    type: [AllowedAction],
    description: 'What can be done to it now, and why not, from the same rules that guard the mutations.',
    resolve: ({ id }, _args, { loaders }) => loaders.allowedActions.load(id),
  }),
);
