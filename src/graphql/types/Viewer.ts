import type { Actor } from '#domain/actor.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { ApiKeyRole } from './Actor.ts';
import { ApiKey } from './ApiKey.ts';

type KeyActor = Extract<Actor, { kind: 'API_KEY' }>;

const Project = builder.prismaObject('Project', {
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique among the projects of this Grove.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
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
