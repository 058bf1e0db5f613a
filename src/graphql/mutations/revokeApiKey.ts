import { revokeApiKey } from '#auth/revokeApiKey.ts';
import { ForbiddenError, InvalidInputError, NotFoundError } from '#domain/errors.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf } from '../globalId.ts';
import { ApiKey } from '../types/ApiKey.ts';

const RevokeApiKeyPayload = builder.objectRef<{ apiKeyId: string }>('RevokeApiKeyPayload').implement({
  description: 'The key works no more.',
  fields: (t) => ({
    apiKey: t.prismaField({
      type: ApiKey,
      description: 'What is known of the key.',
      resolve: (query, { apiKeyId: id }, _args, context) =>
        context.db.apiKey.findUniqueOrThrow({ ...query, where: { id, projectId: requireActor(context).projectId } }),
    }),
  }),
});

builder.mutationField('revokeApiKey', (t) =>
  t.fieldWithInput({
    type: RevokeApiKeyPayload,
    description:
      'Takes a key of this project back, at once. Needs a key of role ADMIN; the last such key cannot be revoked.',
    errors: { types: [NotFoundError, InvalidInputError, ForbiddenError] },
    typeOptions: { description: 'What key to take back.' },
    input: { apiKeyId: t.input.id({ required: true, description: 'The id of the key.' }) },
    resolve: async (_root, { input }, context) =>
      await revokeApiKey(context.operations, requireActor(context), {
        apiKeyId: requireIdOf('ApiKey', input.apiKeyId),
      }),
  }),
);
