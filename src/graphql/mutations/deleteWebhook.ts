import { ForbiddenError, NotFoundError } from '#domain/errors.ts';
import { deleteWebhook } from '#webhooks/deleteWebhook.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf, toGlobalId } from '../globalId.ts';
import { webhookIdDescription } from './webhookPayload.ts';

const DeleteWebhookPayload = builder.objectRef<{ webhookId: string }>('DeleteWebhookPayload').implement({
  description: 'The webhook is gone, with its secret and its deliveries.',
  fields: (t) => ({
    webhookId: t.id({
      description: 'The id that it had.',
      resolve: ({ webhookId }) => toGlobalId('Webhook', webhookId),
    }),
  }),
});

builder.mutationField('deleteWebhook', (t) =>
  t.fieldWithInput({
    type: DeleteWebhookPayload,
    description:
      'Removes a webhook. A request that is under way may still arrive; none follows it. Needs a key of role ADMIN.',
    errors: { types: [NotFoundError, ForbiddenError] },
    typeOptions: { description: 'Which webhook to remove.' },
    input: { webhookId: t.input.id({ required: true, description: webhookIdDescription }) },
    resolve: async (_root, { input }, context) =>
      await deleteWebhook(context.operations, requireActor(context), {
        webhookId: requireIdOf('Webhook', input.webhookId),
      }),
  }),
);
