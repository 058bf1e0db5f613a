import { decodeGlobalID, encodeGlobalID } from '@pothos/plugin-relay';
import { NotFoundError } from '#domain/errors.ts';

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The types that have global ids, with the words for what is not found. */
const nouns = {
  Cluster: 'The cluster',
  Instance: 'The instance',
  Operation: 'The operation',
  Backup: 'The backup',
  ApiKey: 'The API key',
} as const;
export type IdType = keyof typeof nouns;

export function toGlobalId(type: IdType, id: string): string {
  return encodeGlobalID(type, id);
}

/** Reads an opaque id. Null: it is malformed. Checked before the store sees it: its id columns take nothing but UUIDs. */
export function parseGlobalId(globalId: string): { type: IdType; id: string } | null {
  try {
    const { typename, id } = decodeGlobalID(globalId);
    return isIdType(typename) && uuidPattern.test(id) ? { type: typename, id } : null;
  } catch {
    return null;
  }
}

/** The database id in an opaque id of this type. Null: it is malformed or of another type. */
export function idOf(type: IdType, globalId: string): string | null {
  const parsed = parseGlobalId(globalId);
  return parsed?.type === type ? parsed.id : null;
}

/** The database ids in opaque ids of this type; what is not one is left out, as it matches nothing. */
export function idsOf(type: IdType, globalIds: readonly string[]): string[] {
  return globalIds.flatMap((globalId) => idOf(type, globalId) ?? []);
}

/** As `idOf`; what is not an id of this type is not found. */
export function requireIdOf(type: IdType, globalId: string): string {
  const id = idOf(type, globalId);
  if (id === null) throw new NotFoundError(nouns[type]);
  return id;
}

export const nounOf = (type: IdType): string => nouns[type];

export function isUuid(value: unknown): value is string {
  return typeof value === 'string' && uuidPattern.test(value);
}

function isIdType(name: string): name is IdType {
  return Object.hasOwn(nouns, name);
}
