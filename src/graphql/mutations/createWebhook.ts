import { ForbiddenError, InvalidInputError, NotFoundError } from '#domain/errors.ts';
import { createWebhook } from '#webhooks/createWebhook.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { plainFilter, WebhookFilterInput } from '../types/Webhook.ts';
import { webhookSecretPayload, webhookUrlDescription } from './webhookPayload.ts';

const CreateWebhookPayload = webhookSecretPayload('CreateWebhookPayload', 'The webhook was made.');

builder.mutationField('createWebhook', (t) =>
  t.fieldWithInput({
    type: CreateWebhookPayload,
    description:
      "Sends the project's events from now on to a URL, signed, at least once and in order. Needs a key of role ADMIN.",
    errors: { types: [NotFoundError, InvalidInputError, ForbiddenError] },
    typeOptions: { description: 'What to send where.' },
    input: {
      url: t.input.string({ required: true, description: webhookUrlDescription }),
      filter: t.input.field({ type: WebhookFilterInput, description: 'Which events to send; all when left out.' }),
      description: t.input.string({ description: 'What it is for: at most 200 characters.' }),
    },
    resolve: async (_root, { input: { filter, ...input } }, context) =>
      await createWebhook(context.operations, requireActor(context), { ...input, filter: plainFilter(filter) }),
  }),
);
