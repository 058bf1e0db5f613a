import type { LoggedEvent } from '#events/event.ts';
import type { JsonObject } from '#lib/values/json.ts';
import { toGlobalId } from './globalId.ts';
import { withGlobalIds } from './types/Event.ts';

/** An event as a webhook carries it: what the type `Event` says of it by itself, under the same names. */
export function eventAsJson(event: LoggedEvent, cursor: string): JsonObject {
  const { actor, clusterId, instanceId, operationId } = event;
  return {
    cursor,
    type: event.type,
    at: event.at.toISOString(),
    actor:
      actor.kind === 'API_KEY'
        ? { kind: actor.kind, name: actor.name, role: actor.role, keyId: toGlobalId('ApiKey', actor.keyId) }
        : { kind: actor.kind, name: actor.name, role: null, keyId: null },
    clusterId: clusterId && toGlobalId('Cluster', clusterId),
    instanceId: instanceId && toGlobalId('Instance', instanceId),
    operationId: operationId && toGlobalId('Operation', operationId),
    fromStatus: event.fromStatus,
    toStatus: event.toStatus,
    payload: withGlobalIds(event.payload),
  };
}
