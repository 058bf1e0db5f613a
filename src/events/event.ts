import type { Actor } from '#domain/actor.ts';
import type { EventType } from '#generated/prisma/enums.ts';
import type { JsonObject } from '#lib/values/json.ts';

/** What a change tells the log; sequence, time and actor come with the transaction. */
export type NewEvent = {
  type: EventType;
  clusterId?: string | null;
  instanceId?: string | null;
  operationId?: string | null;
  fromStatus?: string | null;
  toStatus?: string | null;
  payload?: JsonObject;
};

/** One entry of a project's log. */
export type LoggedEvent = {
  projectId: string;
  /** Dense in its project: commit order, without a hole. */
  seq: bigint;
  type: EventType;
  clusterId: string | null;
  instanceId: string | null;
  operationId: string | null;
  fromStatus: string | null;
  toStatus: string | null;
  payload: JsonObject;
  actor: Actor;
  at: Date;
};
