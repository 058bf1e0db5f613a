import type { Engine as EngineContract, EngineVersion as EngineVersionContract } from '#engines/engine.ts';
import { builder } from '../builder.ts';
import { describedEnum } from '../describedEnum.ts';

const EngineTopology = describedEnum<EngineContract['capabilities']['topology']>(
  'EngineTopology',
  'How the instances of a cluster share the work.',
  {
    PRIMARY_REPLICA: 'One primary accepts writes; the replicas follow it.',
    MULTI_PRIMARY: 'Every instance accepts writes.',
  },
);

const EngineCapabilities = builder.objectRef<EngineContract['capabilities']>('EngineCapabilities').implement({
  description: 'What an engine can do.',
  fields: (t) => ({
    promotion: t.exposeBoolean('promotion', { description: 'True if a replica can be made the primary.' }),
    topology: t.expose('topology', { type: EngineTopology, description: 'How its instances share the work.' }),
  }),
});

const InstanceCountRule = builder.objectRef<EngineContract['size']>('InstanceCountRule').implement({
  description: 'How many instances a cluster may have.',
  fields: (t) => ({
    minimum: t.exposeInt('minimum', { description: 'The fewest instances.' }),
    maximum: t.exposeInt('maximum', { description: 'The most instances.' }),
    oddOnly: t.exposeBoolean('oddOnly', { description: 'True if the number must be odd.' }),
  }),
});

const EngineVersion = builder.objectRef<EngineVersionContract>('EngineVersion').implement({
  description: 'A version of an engine, and whether it can be run here.',
  fields: (t) => ({
    version: t.exposeString('version', { description: 'As it is asked for, e.g. "18".' }),
    available: t.exposeBoolean('available', { description: 'True if its programs were found on this host.' }),
    release: t.exposeString('release', {
      nullable: true,
      description: 'The exact release that was found, e.g. "18.4"; null if none was.',
    }),
    unavailableReason: t.exposeString('unavailableReason', {
      nullable: true,
      description: 'Why it is not available and how to get it; null if it is available.',
    }),
  }),
});

export const Engine = builder.objectRef<EngineContract>('Engine').implement({
  description: 'A database product that Grove can run.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'As `createCluster` takes it, e.g. "postgresql".' }),
    displayName: t.exposeString('displayName', { description: 'As people write it.' }),
    standardPort: t.exposeInt('standardPort', { description: 'The TCP port that its clients expect.' }),
    capabilities: t.expose('capabilities', { type: EngineCapabilities, description: 'What it can do.' }),
    instanceCount: t.expose('size', { type: InstanceCountRule, description: 'How many instances a cluster may have.' }),
    versions: t.field({
      type: [EngineVersion],
      description: 'Every version that this release of Grove knows, newest first.',
      resolve: (engine) => engine.versions(),
    }),
  }),
});

builder.queryField('engines', (t) =>
  t.field({
    type: [Engine],
    description: 'The database products that Grove can run, with their versions and what was found here.',
    resolve: (_root, _args, { operations }) => Object.values(operations.engines),
  }),
);
