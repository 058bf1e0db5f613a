import type { Actor } from '#domain/actor.ts';
import { projectQuota } from '#operations/projectQuota.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { ApiKeyRole } from './Actor.ts';
import { ApiKey } from './ApiKey.ts';
import { ProjectQuota } from './Quota.ts';

type KeyActor = Extract<Actor, { kind: 'API_KEY' }>;

export const Project = builder.prismaObject('Project', {
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique among the projects of this Grove.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    quota: t.field({
      type: [ProjectQuota],
      description: 'How much it may have of each resource, and has. Counted as it is asked for.',
      resolve: ({ id }, _args, { db, operations }) => projectQuota(operations, db, id),
    }),
  }),
});

const Viewer = builder.objectRef<KeyActor>('Viewer').implement({
  description: 'Who you are.',
  fields: (t) => ({
    role: t.expose('role', { type: ApiKeyRole, description: 'What your key may do.' }),
    key: t.prismaField({
      type: ApiKey,
      description: 'The key that came with this request.',
      resolve: (query, { keyId, projectId }, _args, { db }) =>
        db.apiKey.findUniqueOrThrow({ ...query, where: { id: keyId, projectId } }),
    }),
    project: t.prismaField({
      type: Project,
      description: 'The project that your key belongs to. You see nothing of any other.',
      resolve: (query, { projectId }, _args, { db }) =>
        db.project.findUniqueOrThrow({ ...query, where: { id: projectId } }),
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: Viewer,
    description: 'Who you are: your key, its role, its project.',
    resolve: (_root, _args, context) => {
      const actor = requireActor(context);
      if (actor.kind !== 'API_KEY') throw new Error('Grove itself sends no requests');
      return actor;
    },
  }),
);
