import type { PageRequest } from './pageRequest.ts';

export type Connection<Node> = {
  edges: { cursor: string; node: Node }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
  totalCount: () => Promise<number> | number;
};

type Found<Node> = {
  /** Up to one more than asked for, in the order in which they were searched: backward pages come last first. */
  rows: readonly Node[];
  cursorOf: (node: Node) => string;
  totalCount: () => Promise<number> | number;
};

/** A page of what a search found. */
export function toConnection<Node>(
  request: PageRequest,
  { rows, cursorOf, totalCount }: Found<Node>,
): Connection<Node> {
  const hasMore = rows.length > request.size;
  const page = rows.slice(0, request.size);
  if (request.backward) page.reverse();
  const edges = page.map((node) => ({ cursor: cursorOf(node), node }));
  return {
    edges,
    pageInfo: {
      hasNextPage: request.backward ? request.before !== null : hasMore,
      hasPreviousPage: request.backward ? hasMore : request.after !== null,
      startCursor: edges.at(0)?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
    totalCount,
  };
}
