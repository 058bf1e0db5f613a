import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import type { OperationResultFacts } from './operationResultFacts.ts';

export const InstancesAdded = builder.objectRef<OperationResultFacts>('InstancesAdded').implement({
  description: 'Result of ADD_INSTANCES: the new instances hold the data, and the data path was verified.',
  fields: (t) => ({
    instances: t.prismaField({
      type: ['Instance'],
      description: 'The instances that were added, by name; one that was dropped since is a record.',
      resolve: (query, { result }, _args, context) =>
        context.db.instance.findMany({
          ...query,
          where: {
            id: { in: (result as { instanceIds: string[] }).instanceIds },
            projectId: requireActor(context).projectId,
          },
          orderBy: { name: 'asc' },
        }),
    }),
    verified: t.boolean({
      description:
        'True: the data path was verified on them and on every instance that was not ill before. False: the primary was ill.',
      resolve: ({ result }) => (result as { verified: boolean }).verified,
    }),
  }),
});
