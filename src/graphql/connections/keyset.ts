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
  if (column !== ordering.column || direction !== ordering.direction || typeof value !== 'string' || !isUuid(id)) {
    throw badUserInput(
      `"${side}" is not a cursor of this list in this order. Pass a cursor that the same field answered with, and the same orderBy.`,
    );
  }
  if (column === 'name') return { value, id };
  const instant = new Date(value);
  if (Number.isNaN(instant.getTime())) throw badUserInput(`"${side}" is not a cursor of this list.`);
  return { value: instant, id };
}

function parseArray(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
