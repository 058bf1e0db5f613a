import { maximumPageSize, type PageArgs, pageSize } from './connections/pageRequest.ts';
import type { Context } from './context.ts';

/** How often what is selected below a field may be resolved. */
type Complexity = { field: number; multiplier: number };

const times = (multiplier: number): Complexity => ({ field: 1, multiplier });

/** A connection counts as its page: the lists in it are that page again. */
export const countedByConnection = { complexity: times(1) } as const;

/** No more than can be answered: what is asked for beyond is refused by the field, in words of its own. */
const answerable = (entries: number): number => Math.min(Math.max(entries, 1), maximumPageSize);

/** What a field counts that says nothing of its own: one, and where it has pages, its page's size. */
export function fieldComplexity(
  args: Record<string, unknown>,
  _context: Context,
  field: { args: readonly { name: string }[] },
): Complexity | number {
  const isPaged = field.args.some(({ name }) => name === 'first');
  return isPaged ? times(answerable(pageSize(args as PageArgs))) : 1;
}

/** The same for the instances of one cluster, of which there are never more than an engine allows. */
export function instancesComplexity(args: PageArgs, { operations: { engines } }: Context): Complexity {
  const most = Math.max(...Object.values(engines).map(({ size }) => size.maximum));
  return times(Math.min(answerable(pageSize(args)), most));
}

/** As many as are asked for by their ids. */
export const idsComplexity = ({ ids }: { ids: readonly unknown[] }): Complexity => times(answerable(ids.length));
