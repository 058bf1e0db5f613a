import {
  InstanceStatusError,
  MinimumInstancesError,
  PrimaryNotDroppableError,
  TopologyError,
  type TopologyRule as TopologyRuleName,
} from '#domain/instanceErrors.ts';
import { builder } from '../builder.ts';
import { describedEnum } from '../describedEnum.ts';
import { ErrorInterface } from './Error.ts';
import { instanceWithId } from './instanceWithId.ts';

const interfaces = [ErrorInterface];

const TopologyRule = describedEnum<TopologyRuleName>(
  'TopologyRule',
  'A rule on the instances of a cluster. More may be added.',
  {
    INSTANCE_COUNT: 'The number of instances lies between a minimum and a maximum.',
    ODD_INSTANCE_COUNT: 'The number of instances is odd, so that a majority always exists.',
    EQUAL_SIZES: 'All instances of a cluster have the same size.',
  },
);

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

builder.objectType(InstanceStatusError, {
  name: 'InstanceStatusError',
  description: 'The status of one of the instances does not allow this; `message` says why and what can be done.',
  interfaces,
  fields: (t) => ({
    instance: t.prismaField({
      type: 'Instance',
      description: 'The instance.',
      resolve: instanceWithId,
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
      resolve: instanceWithId,
    }),
  }),
});
