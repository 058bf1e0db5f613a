import { createHmac, randomBytes } from 'node:crypto';

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
const secretPrefix = 'whsec_';
const secretBytes = 32;

/** A signing secret as receivers' libraries take it. */
export function generateSigningSecret(): string {
  return secretPrefix + randomBytes(secretBytes).toString('base64');
}

export type SignedMessage = { messageId: string; at: Date; body: string };

/** The headers that tell a receiver who the message is from: one signature for each secret, the newest first. */
export function signatureHeaders(
  { messageId, at, body }: SignedMessage,
  secrets: readonly string[],
): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(secretPrefix.length), 'base64');
    return `v1,${createHmac('sha256', key).update(`${messageId}.${timestamp}.${body}`).digest('base64')}`;
  });
  return {
    'webhook-id': messageId,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  };
}
