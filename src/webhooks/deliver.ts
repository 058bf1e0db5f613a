import type { Agent } from 'node:http';
import type { Bus } from '#events/bus.ts';
import type { Webhook } from '#generated/prisma/client.ts';
import type { SecretBox } from '#lib/secrets/secretBox.ts';
import type { Clock } from '#lib/time/clock.ts';
import { beginAttempt, type Claim, claimed, passOver } from './claims.ts';
import type { Resolve } from './guardedLookup.ts';
import { type MessageDeps, nextBatch } from './message.ts';
import { createConnection, type Post, type PostOutcome, post } from './post.ts';
import { recordAttempt } from './recordAttempt.ts';
import { signatureHeaders } from './signature.ts';

export type DeliverDeps = MessageDeps & {
  bus: Bus;
  clock: Clock;
  secrets: SecretBox;
  webhookNetworks: readonly string[];
  /** How names are looked up; the system's way when left out. */
  resolve?: Resolve | undefined;
};

/**
 * Sends a claimed webhook's messages one after another, in the order of the log, until all are delivered, one fails, its turn is
 * over or `stopping` says so. A message is sent only when the one before it has been delivered. `cutOff` breaks a request off.
 */
export async function deliver(
  deps: DeliverDeps,
  claim: Claim,
  { stopping, cutOff }: { stopping: AbortSignal; cutOff: AbortSignal },
): Promise<void> {
  let connection = null as { url: string; agent: Agent } | null;
  try {
    for (let turn = 0; turn < deps.options.messagesPerTurn && !stopping.aborted; turn += 1) {
      const webhook = await claimed(deps.db, claim);
      if (webhook === null) return;
      if (connection?.url !== webhook.url) {
        connection?.agent.destroy();
        connection = { url: webhook.url, agent: createConnection(new URL(webhook.url)) };
      }
      if (!(await deliverNext(deps, { claim, webhook, agent: connection.agent, cutOff }))) return;
    }
  } finally {
    connection?.agent.destroy();
  }
}

type Turn = { claim: Claim; webhook: Webhook; agent: Agent; cutOff: AbortSignal };

/** True: a message was delivered, and there may be another. */
async function deliverNext(deps: DeliverDeps, { claim, webhook, agent, cutOff }: Turn): Promise<boolean> {
  const { generation } = webhook;
  const { message, endSeq } = await nextBatch(deps, webhook);
  if (message === null) {
    await passOver(deps.db, claim, { endSeq, generation });
    return false;
  }
  const { leaseMs } = deps.options;
  if (!(await beginAttempt(deps.db, claim, { endSeq, generation, leaseMs }))) return false;
  const startedAt = deps.clock.now();
  const began = performance.now();
  const outcome = await attempt(deps, { webhook, message, agent, at: startedAt, signal: cutOff });
  const durationMs = Math.round(performance.now() - began);
  return await recordAttempt(deps, { claim, webhook, message, endSeq, startedAt, durationMs, outcome });
}

type Sending = Pick<Post, 'agent' | 'signal'> & {
  webhook: Webhook;
  message: { messageId: string; body: string };
  at: Date;
};

async function attempt(deps: DeliverDeps, { webhook, message, agent, at, signal }: Sending): Promise<PostOutcome> {
  const secrets = openSecrets(deps, webhook, at);
  if (secrets === null) {
    const error = 'the signing secret cannot be read: it was stored under another GROVE_SECRET_KEY';
    return { kind: 'FAILED', httpStatus: null, error, answer: null };
  }
  const signed = signatureHeaders({ ...message, at }, secrets);
  return await post({
    url: new URL(webhook.url),
    headers: {
      ...signed,
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(Buffer.byteLength(message.body)),
    },
    body: message.body,
    // A receiver may send back what it was sent.
    struckOut: (signed['webhook-signature'] ?? '').split(' ').map((signature) => signature.replace('v1,', '')),
    agent,
    signal,
    allowedNetworks: deps.webhookNetworks,
    timeoutMs: deps.options.timeoutMs,
    resolve: deps.resolve,
  });
}

/** Null: they are encrypted with a key that this process does not have. */
function openSecrets({ secrets }: DeliverDeps, webhook: Webhook, now: Date): string[] | null {
  const { previousSecretKeyId, previousSecretCiphertext, previousSecretExpiresAt } = webhook;
  try {
    const opened = [secrets.open(webhook.secretCiphertext, webhook.secretKeyId)];
    if (previousSecretKeyId !== null && previousSecretCiphertext !== null && (previousSecretExpiresAt ?? now) > now) {
      opened.push(secrets.open(previousSecretCiphertext, previousSecretKeyId));
    }
    return opened;
  } catch {
    return null;
  }
}
