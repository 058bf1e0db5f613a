import { createApiKey } from '#auth/createApiKey.ts';
import { ForbiddenError, InvalidInputError } from '#domain/errors.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { ApiKeyRole } from '../types/Actor.ts';
import { ApiKey } from '../types/ApiKey.ts';

const CreateApiKeyPayload = builder.objectRef<{ apiKeyId: string; plain: string }>('CreateApiKeyPayload').implement({
  description: 'The key was made.',
  fields: (t) => ({
    key: t.exposeString('plain', { description: 'The key itself. Shown this once: only a hash of it is stored.' }),
    apiKey: t.prismaField({
      type: ApiKey,
      description: 'What is known of the key.',
      resolve: (query, { apiKeyId: id }, _args, context) =>
        context.db.apiKey.findUniqueOrThrow({ ...query, where: { id, projectId: requireActor(context).projectId } }),
    }),
  }),
});

builder.mutationField('createApiKey', (t) =>
  t.fieldWithInput({
    type: CreateApiKeyPayload,
    description: 'Makes a key to this project. Needs a key of role ADMIN.',
    errors: { types: [InvalidInputError, ForbiddenError] },
    typeOptions: { description: 'What key to make.' },
    input: {
      name: t.input.string({ required: true, description: 'What it is for: 1 to 100 characters.' }),
      role: t.input.field({ type: ApiKeyRole, required: true, description: 'What it may do.' }),
      expiresAt: t.input.field({ type: 'DateTime', description: 'When it stops working by itself. Left out: never.' }),
    },
    resolve: async (_root, { input: { expiresAt = null, ...input } }, context) =>
      await createApiKey(context.operations, requireActor(context), { ...input, expiresAt }),
  }),
);
