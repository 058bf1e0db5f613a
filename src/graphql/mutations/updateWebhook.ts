import { ForbiddenError, InvalidInputError, NotFoundError } from '#domain/errors.ts';
import { updateWebhook } from '#webhooks/updateWebhook.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf } from '../globalId.ts';
import { plainFilter, WebhookFilterInput } from '../types/Webhook.ts';
import { webhookIdDescription, webhookPayload, webhookUrlDescription } from './webhookPayload.ts';

const UpdateWebhookPayload = webhookPayload('UpdateWebhookPayload', 'The webhook was changed.');

builder.mutationField('updateWebhook', (t) =>
  t.fieldWithInput({
    type: UpdateWebhookPayload,
    description:
      'Changes a webhook, pauses or resumes it. What waits to be sent goes by the new settings. Needs a key of role ADMIN.',
    errors: { types: [NotFoundError, InvalidInputError, ForbiddenError] },
    typeOptions: { description: 'What to change; what is left out stays.' },
    input: {
      webhookId: t.input.id({ required: true, description: webhookIdDescription }),
      url: t.input.string({ description: webhookUrlDescription }),
      filter: t.input.field({
        type: WebhookFilterInput,
        description: 'Which events to send, in the place of the whole filter before; `{}` for all.',
      }),
      description: t.input.string({ description: 'What it is for: at most 200 characters.' }),
      paused: t.input.boolean({ description: 'True: send nothing for now. False: go on where it was.' }),
    },
    resolve: async (_root, { input: { webhookId, filter, ...input } }, context) =>
      await updateWebhook(context.operations, requireActor(context), {
        ...input,
        webhookId: requireIdOf('Webhook', webhookId),
        filter: plainFilter(filter),
      }),
  }),
);
