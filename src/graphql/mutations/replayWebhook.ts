import { ForbiddenError, InvalidInputError, NotFoundError } from '#domain/errors.ts';
import { replayWebhook } from '#webhooks/replayWebhook.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { requireIdOf } from '../globalId.ts';
import { webhookIdDescription, webhookPayload } from './webhookPayload.ts';

const ReplayWebhookPayload = webhookPayload('ReplayWebhookPayload', 'The webhook goes on from there.');

builder.mutationField('replayWebhook', (t) =>
  t.fieldWithInput({
    type: ReplayWebhookPayload,
    description:
      'Sends what lies behind a cursor, again where it was sent before, in new messages with the same events. Needs a key of role ADMIN.',
    errors: { types: [NotFoundError, InvalidInputError, ForbiddenError] },
    typeOptions: { description: 'Which webhook, from where.' },
    input: {
      webhookId: t.input.id({ required: true, description: webhookIdDescription }),
      after: t.input.field({
        type: 'Cursor',
        description:
          'Begin behind this cursor, earlier or later than where it is. Left out: with the oldest event kept.',
      }),
    },
    resolve: async (_root, { input: { webhookId, ...input } }, { operations, feed, ...context }) =>
      await replayWebhook({ ...operations, decodeCursor: feed.decode }, requireActor(context), {
        ...input,
        webhookId: requireIdOf('Webhook', webhookId),
      }),
  }),
);
