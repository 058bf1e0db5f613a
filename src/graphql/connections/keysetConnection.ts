import { queryFromInfo } from '@pothos/plugin-prisma';
import type { GraphQLResolveInfo } from 'graphql';
import type { Context } from '../context.ts';
import { beyondCursor, encodeKeyset, type Ordering } from './keyset.ts';
import { type PageArgs, pageRequest } from './pageRequest.ts';
import { type Connection, toConnection } from './toConnection.ts';

type Row = { id: string; name?: string; createdAt?: Date };

export type KeysetQuery<Where> = {
  where: Where;
  orderBy: Record<string, 'asc' | 'desc'>[];
  take: number;
  select: { id: true };
};

type KeysetSearch<Where, Node> = {
  context: Context;
  info: GraphQLResolveInfo;
  args: PageArgs;
  ordering: Ordering;
  /** What the list holds; has the tenant predicate. */
  where: Where;
  find: (query: KeysetQuery<Where>) => Promise<Node[]>;
  count: (query: { where: Where }) => Promise<number>;
};

/** One page by keyset, in one statement and one more for each relation that is selected. */
export async function keysetConnection<Where extends object, Node extends { id: string }>(
  search: KeysetSearch<Where, Node>,
): Promise<Connection<Node>> {
  const { context, info, ordering, where } = search;
  const request = pageRequest(search.args);
  const { select } = queryFromInfo({
    context,
    info,
    select: { id: true, [ordering.column]: true },
  });
  const direction = request.backward ? opposite[ordering.direction] : ordering.direction;
  const rows = await search.find({
    where: { AND: [where, ...cursorConditions(ordering, request)] } as Where,
    orderBy: [{ [ordering.column]: direction }, { id: direction }],
    take: request.size + 1,
    select: select as unknown as { id: true },
  });
  return toConnection(request, {
    rows,
    cursorOf: (row) => encodeKeyset(ordering, row as Row),
    totalCount: () => search.count({ where }),
  });
}

const opposite = { asc: 'desc', desc: 'asc' } as const;

function cursorConditions(
  ordering: Ordering,
  { after, before }: { after: string | null; before: string | null },
): object[] {
  return [
    ...(after === null ? [] : [beyondCursor(ordering, after, 'after')]),
    ...(before === null ? [] : [beyondCursor(ordering, before, 'before')]),
  ];
}
