import { badUserInput } from '../errors.ts';

const defaultPageSize = 20;
export const maximumPageSize = 100;

export type PageArgs = {
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
};

/** Which page is asked for. `backward`: counted from the end of the list. */
export type PageRequest = { size: number; backward: boolean; after: string | null; before: string | null };

/** How many are asked for, whether that can be served or not. */
export const pageSize = ({ first, last }: PageArgs): number => first ?? last ?? defaultPageSize;

/** Reads the paging arguments. Throws BAD_USER_INPUT for what cannot be served; nothing is clamped in silence. */
export function pageRequest(args: PageArgs): PageRequest {
  const { first, after, last, before } = args;
  if (first != null && last != null) throw badUserInput('Give either "first" or "last", not both.');
  const backward = last != null;
  const size = pageSize(args);
  if (size < 1 || size > maximumPageSize) {
    throw badUserInput(`"${backward ? 'last' : 'first'}" must be 1 to ${maximumPageSize}, found ${size}.`);
  }
  return { size, backward, after: after ?? null, before: before ?? null };
}
