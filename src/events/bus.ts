/**
 * Wake-ups between the parts of Grove, in this process or over Redis. A wake-up says "look again" and carries no truth: it may be
 * lost, and whoever waits for one also looks by itself now and then.
 */
export interface Bus {
  /** Never throws and never waits: a wake-up that cannot be sent is lost. */
  publish(topic: Topic): void;
  /** Returns the function that ends the subscription. */
  subscribe(topic: Topic, listener: () => void): () => void;
  close(): Promise<void>;
}

/**
 * `events:<projectId>`: the project's log has grown. `commands:<instanceId>`: there are commands for the instance's agent.
 * `observe:<instanceId>`: somebody wants to know how the instance is now. `command:<commandId>`: the command has ended or made progress. `operation:<operationId>`: somebody asked it to stop.
 * `keys`: a key was revoked.
 */
export type Topic =
  | `events:${string}`
  | `commands:${string}`
  | `observe:${string}`
  | `command:${string}`
  | `operation:${string}`
  | `instance:${string}`
  | 'keys';
