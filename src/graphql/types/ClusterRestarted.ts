import { builder } from '../builder.ts';
import { instanceWithId } from './instanceWithId.ts';
import type { OperationResultFacts } from './operationResultFacts.ts';

type RestartedFacts = { instanceId: string; downMs: number | null };

const InstanceRestarted = builder.objectRef<RestartedFacts>('InstanceRestarted').implement({
  description: 'How one server was restarted.',
  fields: (t) => ({
    instance: t.prismaField({
      type: 'Instance',
      description: 'The instance.',
      resolve: instanceWithId,
    }),
    downMs: t.exposeInt('downMs', {
      nullable: true,
      description:
        'From when the server was told to stop until it accepted sessions again, in milliseconds, as its agent measured it; ' +
        'null if it did not run before.',
    }),
  }),
});

export const ClusterRestarted = builder.objectRef<OperationResultFacts>('ClusterRestarted').implement({
  description: 'Result of RESTART_CLUSTER: the servers were restarted and serve again.',
  fields: (t) => ({
    instances: t.field({
      type: [InstanceRestarted],
      description: 'The instances that were restarted, in the order of the steps.',
      resolve: ({ result }) => (result as { instances: RestartedFacts[] }).instances,
    }),
    verified: t.boolean({
      description:
        'True: the data path was verified on every instance that was not ill before. False: the primary was ill and not restarted.',
      resolve: ({ result }) => (result as { verified: boolean }).verified,
    }),
  }),
});
