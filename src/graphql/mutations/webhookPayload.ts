import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';
import { Webhook } from '../types/Webhook.ts';

export const webhookIdDescription = 'The id of the webhook.';
export const webhookUrlDescription =
  'Where messages are posted: https, and a public address. Whoever runs this Grove can allow other networks, and plain http there.';

/** A payload with the webhook, for every mutation that leaves one. */
export function webhookPayload<Done extends { webhookId: string }>(name: string, description: string) {
  const payload = builder.objectRef<Done>(name);
  payload.implement({ description });
  builder.objectField(payload, 'webhook', (t) =>
    t.prismaField({
      type: Webhook,
      description: 'The webhook as it is now.',
      resolve: (query, { webhookId: id }, _args, context) =>
        context.db.webhook.findUniqueOrThrow({ ...query, where: { id, projectId: requireActor(context).projectId } }),
    }),
  );
  return payload;
}

/** As `webhookPayload`, with the signing secret in clear. */
export function webhookSecretPayload(name: string, description: string) {
  const payload = webhookPayload<{ webhookId: string; signingSecret: string }>(name, description);
  builder.objectField(payload, 'signingSecret', (t) =>
    t.exposeString('signingSecret', {
      description:
        'What messages are signed with, `whsec_…`. Shown this once; `rotateWebhookSecret` makes another one.',
    }),
  );
  return payload;
}
