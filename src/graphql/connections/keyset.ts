import { badUserInput } from '../errors.ts';
import { isUuid } from '../globalId.ts';

/** A column that never changes, so that a cursor stays where it was. The id breaks ties. */
export type Ordering = { column: 'name' | 'createdAt'; direction: 'asc' | 'desc' };

type Position = { value: string | Date; id: string };

/** The row's place in a list of this order. */
export function encodeKeyset(
  { column, direction }: Ordering,
  row: { id: string; name?: string; createdAt?: Date },
): string {
  return Buffer.from(JSON.stringify([column, direction, row[column], row.id])).toString('base64url');
}

/** The condition for rows on one side of a cursor, as Prisma takes it. Throws BAD_USER_INPUT for a cursor of another list. */
export function beyondCursor(ordering: Ordering, cursor: string, side: 'after' | 'before'): object {
  const { value, id } = decodeKeyset(ordering, cursor, side);
  const { column, direction } = ordering;
  const compare = (direction === 'asc') === (side === 'after') ? 'gt' : 'lt';
  // The first condition follows from the others; it lets the database begin in the middle of an index.
  return {
    [column]: { [`${compare}e`]: value },
    OR: [{ [column]: { [compare]: value } }, { [column]: value, id: { [compare]: id } }],
  };
}

function decodeKeyset(ordering: Ordering, cursor: string, side: string): Position {
  const [column, direction, value, id] = parseArray(Buffer.from(cursor, 'base64url').toString());
  const position = column === ordering.column && direction === ordering.direction ? readValue(ordering, value) : null;
  if (position !== null && isUuid(id)) return { value: position, id };
  throw badUserInput(
    `"${side}" is not a cursor of this list in this order. Pass a cursor that the same field answered with, and the same orderBy.`,
  );
}

/** Null: it cannot have been in the store, which takes neither NUL in a text nor years that have not four digits. */
function readValue({ column }: Ordering, value: unknown): string | Date | null {
  if (typeof value !== 'string' || value.includes('\0')) return null;
  if (column === 'name') return value;
  const instant = new Date(/^\d{4}-/.test(value) ? value : Number.NaN);
  return Number.isNaN(instant.getTime()) ? null : instant;
}

function parseArray(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
