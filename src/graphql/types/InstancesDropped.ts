import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import type { OperationResultFacts } from './operationResultFacts.ts';

export const InstancesDropped = builder.objectRef<OperationResultFacts>('InstancesDropped').implement({
  description: 'Result of DROP_INSTANCES: every process, volume, address and name of the instances is gone.',
  fields: (t) => ({
    instances: t.prismaField({
      type: ['Instance'],
      description: 'The records of the instances that were dropped, by name.',
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
        'True: the data path was verified on every instance that was not ill before. False: the primary was ill.',
      resolve: ({ result }) => (result as { verified: boolean }).verified,
    }),
  }),
});
