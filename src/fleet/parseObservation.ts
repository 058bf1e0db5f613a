import { z } from 'zod';
import type { Observation } from '#domain/observation.ts';
import type { Json, JsonObject } from '#lib/values/json.ts';
import { storableJson } from './storableJson.ts';

const text = z.string().nullable();
const amount = z.number().nonnegative().nullable();
const jsonObject = z.record(z.string(), z.json());

const replicationFields = { upstream: text, state: text, lagBytes: amount, lagSeconds: amount, position: text };
const replicationUnknown = { upstream: null, state: null, lagBytes: null, lagSeconds: null, position: null };

const observationFields = {
  serving: z.boolean(),
  reason: text,
  role: z.enum(['PRIMARY', 'REPLICA', 'MEMBER']).nullable(),
  stopped: z.boolean(),
  startedAt: z.iso.datetime({ offset: true }).nullable(),
  connections: amount,
  storageUsedBytes: amount,
  replication: jsonObject.nullable(),
  followerStates: z.array(z.string()),
  lastPosition: jsonObject.nullable(),
  engine: jsonObject,
} satisfies Record<keyof Omit<Observation, 'at'>, z.ZodType>;

/** What stands in for what an agent does not say: nothing is known, and nothing is taken for serving. */
const unobserved: Omit<Observation, 'at'> = {
  serving: false,
  reason: null,
  role: null,
  stopped: false,
  startedAt: null,
  connections: null,
  storageUsedBytes: null,
  replication: null,
  followerStates: [],
  lastPosition: null,
  engine: {},
};

export type ParsedObservation = {
  observation: Observation & JsonObject;
  /** Paths of fields whose values were wrong and are left out. */
  faults: string[];
};

/**
 * Reads what an agent of any release reports: unknown fields are kept, missing ones are not known, wrong ones are left out and
 * named. Null: it is not an observation at all.
 */
export function parseObservation(report: unknown, receivedAt: Date): ParsedObservation | null {
  const raw = jsonObject.safeParse(storableJson(report)).data;
  if (raw === undefined) return null;
  const faults: string[] = [];
  const at = { at: z.iso.datetime({ offset: true }) };
  const fields = readFields(
    raw,
    { ...at, ...observationFields },
    { at: receivedAt.toISOString(), ...unobserved },
    (field) => faults.push(field),
  );
  const observation = fields as Observation & JsonObject;
  if (observation.replication !== null) {
    const nested = observation.replication as unknown as JsonObject;
    observation.replication = readFields(nested, replicationFields, replicationUnknown, (field) =>
      faults.push(`replication.${field}`),
    ) as Observation['replication'] & JsonObject;
  }
  return { observation, faults };
}

function readFields(
  raw: JsonObject,
  fields: Record<string, z.ZodType>,
  absent: Record<string, Json>,
  onFault: (field: string) => void,
): JsonObject {
  const read = { ...raw };
  for (const [field, schema] of Object.entries(fields)) {
    if (raw[field] !== undefined && schema.safeParse(raw[field]).success) continue;
    if (raw[field] !== undefined) onFault(field);
    read[field] = absent[field] ?? null;
  }
  return read;
}
