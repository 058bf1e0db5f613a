import { builder } from '../builder.ts';
import { instancesComplexity } from '../complexity.ts';
import { listConnection } from '../connections/listConnection.ts';
import { Cluster } from './Cluster.ts';
import { Instance, InstanceConnection } from './Instance.ts';
import { presentInstances } from './presentInstances.ts';

builder.prismaObjectField(Cluster, 'instances', (t) =>
  t.connection(
    {
      type: Instance,
      complexity: instancesComplexity,
      description: 'Its instances by name, those that are removed left out.',
      select: (_args, _context, nestedSelection) => ({ instances: nestedSelection(presentInstances) }),
      resolve: ({ instances }, args) => listConnection(args, instances),
    },
    InstanceConnection,
  ),
);

builder.prismaObjectField(Cluster, 'primary', (t) =>
  t.field({
    type: Instance,
    nullable: true,
    description: 'The instance that is wanted as primary; null if none is chosen yet or the engine has none.',
    select: (_args, _context, nestedSelection) => ({
      primaryInstanceId: true,
      instances: nestedSelection(presentInstances),
    }),
    resolve: ({ primaryInstanceId, instances }) => instances.find(({ id }) => id === primaryInstanceId) ?? null,
  }),
);
