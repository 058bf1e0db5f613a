import { ForbiddenError, InvalidInputError, NotFoundError } from '#domain/errors.ts';
import { rotateWebhookSecret } from '#webhooks/rotateWebhookSecret.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf } from '../globalId.ts';
import { webhookIdDescription, webhookSecretPayload } from './webhookPayload.ts';

const RotateWebhookSecretPayload = webhookSecretPayload('RotateWebhookSecretPayload', 'The webhook has a new secret.');

builder.mutationField('rotateWebhookSecret', (t) =>
  t.fieldWithInput({
    type: RotateWebhookSecretPayload,
    description:
      'Makes a new signing secret. Until the overlap ends, messages carry a signature by each. Needs a key of role ADMIN.',
    errors: { types: [NotFoundError, InvalidInputError, ForbiddenError] },
    typeOptions: { description: 'Of which webhook, and how long the old secret stays good.' },
    input: {
      webhookId: t.input.id({ required: true, description: webhookIdDescription }),
      overlapSeconds: t.input.int({
        description:
          'For how long messages are signed with the old secret too, in seconds: 0 to 604800, a day when left out. 0 if it has leaked.',
      }),
    },
    resolve: async (_root, { input: { webhookId, ...input } }, context) =>
      await rotateWebhookSecret(context.operations, requireActor(context), {
        ...input,
        webhookId: requireIdOf('Webhook', webhookId),
      }),
  }),
);
