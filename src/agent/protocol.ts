import type { InstanceSize } from '#domain/facts.ts';
import type { Json, JsonObject } from '#lib/values/json.ts';

/** Path of the agents' WebSocket on the control plane (graphql-transport-ws). */
export const agentPath = '/agent';

/** The agents' whole schema. Small on purpose: it is the contract between releases. */
export const agentSchemaSource = /* GraphQL */ `
  scalar JSON

  type Query {
    "Answers true: the connection works."
    ping: Boolean!
  }

  type Mutation {
    "An observation of the server (domain/observation.ts)."
    report(observation: JSON!): Boolean!
    "How far a command is, in words."
    progress(commandId: ID!, message: String!): Boolean!
    "The end of a command: CommandOutcome. May be repeated."
    finish(commandId: ID!, outcome: JSON!): Boolean!
  }

  type Subscription {
    "Commands for this instance, each repeated after a reconnect until it is finished, and withdrawals of them."
    commands: Command!
  }

  type Command {
    id: ID!
    kind: String!
    payload: JSON!
    "The cluster's secrets by name. Never stored with the command."
    secrets: JSON!
  }
`;

/** What an agent says when it connects (the payload of connection_init). */
export type AgentHello = { instanceId: string; token: string; version: string };

/** A command as an agent gets it. */
export type AgentCommand = {
  id: string;
  kind: string;
  payload: JsonObject;
  secrets: Record<string, string>;
};

/** The kind of what is delivered like a command, has no end and wants an observation at once. */
export const observeKind = 'observe';
/**
 * The kind of what is delivered like a command and bears the id of one: that one's operation has ended, or ends badly, so nobody waits
 * for it any more. The agent gives it up and tells its end with `finish`, also where it has none of that id.
 */
export const withdrawKind = 'withdraw';
/**
 * Under this name among the secrets of a command whose payload has a `store`: the credentials for it, as JSON. They are for that
 * command only, and kept nowhere.
 */
export const storeCredentialsName = 'backup_store';

/** Why a command failed. `retryable`: the same command may succeed later. */
export type CommandError = { code: string; message: string; retryable: boolean };

export type CommandOutcome = { ok: true; result: Json } | { ok: false; error: CommandError };

/** Close codes of the agents' socket. */
export const agentCloseCodes = {
  /** The token is not this instance's: the agent waits long before it tries again. */
  forbidden: 4403,
  /** The control plane is stopping; come back soon. */
  goingAway: 1001,
} as const;

/**
 * What a provider tells an agent: the file `agent.json` (mode 0600) in the instance's directory. The agent reads it again
 * before each connection, so that a new token or address needs no restart.
 */
export type AgentAssignment = {
  instanceId: string;
  clusterId: string;
  name: string;
  engine: string;
  engineVersion: string;
  address: string;
  port: number;
  size: InstanceSize;
  token: string;
  /** File that holds the control plane's WebSocket URL. */
  controlUrlFile: string;
  /** The user that the server runs as. Null: the agent's own. */
  serverUser: { uid: number; gid: number } | null;
};

export const agentAssignmentFile = 'agent.json';

/** In the environment of every process of an instance: the agent gets it from its provider and passes it on to its server. */
export const instanceVariable = 'GROVE_INSTANCE_ID';
