import { dayMs } from '#lib/time/durations.ts';
/** How webhooks are delivered. */
export type DeliveryOptions = {
  /** How long a request may take, from the look-up of the name to the end of the answer. */
  timeoutMs: number;
  /** How long a webhook stays with a worker that gives no sign. Longer than a request, so that two never send at a time. */
  leaseMs: number;
  /** How many webhooks a process delivers to at once. */
  atOnce: number;
  /** How often it is looked for work without a wake-up. */
  lookMs: number;
  eventsPerMessage: number;
  /** About; a single event that is larger is sent all the same. */
  bytesPerMessage: number;
  /** How many messages a webhook may send before it lets others go first. */
  messagesPerTurn: number;
  /** The pause after the first failure; each further one is twice as long. */
  firstPauseMs: number;
  longestPauseMs: number;
  /** For how long a message is tried before the webhook is paused. */
  giveUpAfterMs: number;
  /** How long requests that are under way may take when the process stops. */
  closeGraceMs: number;
  /** How many attempts the delivery log of a webhook keeps. */
  keptDeliveries: number;
  /** And for how long. */
  deliveriesKeptForMs: number;
};

export const deliveryDefaults: DeliveryOptions = {
  timeoutMs: 10_000,
  leaseMs: 15_000,
  atOnce: 64,
  lookMs: 1000,
  eventsPerMessage: 100,
  bytesPerMessage: 256 * 1024,
  messagesPerTurn: 50,
  firstPauseMs: 1000,
  longestPauseMs: 300_000,
  giveUpAfterMs: 3 * dayMs,
  closeGraceMs: 1000,
  keptDeliveries: 1000,
  deliveriesKeptForMs: 7 * dayMs,
};
