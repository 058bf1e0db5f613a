import { badUserInput } from '../errors.ts';
import { type PageArgs, pageRequest } from './pageRequest.ts';
import { type Connection, toConnection } from './toConnection.ts';

/** A page of a list that is held whole, since its length is bounded by a rule. */
export function listConnection<Node extends { id: string }>(args: PageArgs, nodes: readonly Node[]): Connection<Node> {
  const request = pageRequest(args);
  const from = request.after === null ? 0 : indexOfCursor(nodes, request.after, 'after') + 1;
  const to = request.before === null ? nodes.length : indexOfCursor(nodes, request.before, 'before');
  const rows = nodes.slice(from, Math.max(from, to));
  if (request.backward) rows.reverse();
  return toConnection(request, { rows, cursorOf: encode, totalCount: () => nodes.length });
}

const encode = ({ id }: { id: string }): string => Buffer.from(id).toString('base64url');

function indexOfCursor(nodes: readonly { id: string }[], cursor: string, side: 'after' | 'before'): number {
  const index = nodes.findIndex((node) => encode(node) === cursor);
  if (index < 0) throw badUserInput(`"${side}" is not a cursor of this list, or what it pointed to has gone.`);
  return index;
}
