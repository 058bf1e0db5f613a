import type { Prisma } from '#generated/prisma/client.ts';
import { builder } from '../builder.ts';
import { keysetConnection } from '../connections/keysetConnection.ts';
import { nodesOf } from '../connections/nodesOf.ts';
import { requireActor } from '../errors.ts';
import { toGlobalId } from '../globalId.ts';
import { ApiKeyRole } from './Actor.ts';

export const ApiKey = builder.prismaObject('ApiKey', {
  description: 'A key to the API. Its secret was shown once, when it was made; only a hash of it is stored.',
  select: { id: true },
  fields: (t) => ({
    id: t.id({ description: 'Opaque; `revokeApiKey` takes it.', resolve: ({ id }) => toGlobalId('ApiKey', id) }),
    name: t.exposeString('name'),
    role: t.expose('role', { type: ApiKeyRole, description: 'What the key may do in its project.' }),
    publicId: t.exposeString('publicId', { description: 'The part of the key that may be shown: `grv_<publicId>_…`.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true }),
    revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true }),
  }),
});

builder.queryField('apiKeys', (t) =>
  t.connection(
    {
      type: ApiKey,
      authScopes: { permission: 'keys:manage' },
      description:
        "The project's keys in the order in which they were made, revoked ones too. Needs a key of role ADMIN.",
      resolve: (_root, args, context, info) =>
        keysetConnection({
          context,
          info,
          args,
          ordering: { column: 'createdAt', direction: 'asc' },
          where: { projectId: requireActor(context).projectId } satisfies Prisma.ApiKeyWhereInput,
          find: (query) => context.db.apiKey.findMany(query),
          count: (query) => context.db.apiKey.count(query),
        }),
    },
    { name: 'ApiKeyConnection', description: 'A page of API keys.', extensions: nodesOf('ApiKey') },
    { name: 'ApiKeyEdge', description: 'An API key in a page.' },
  ),
);
