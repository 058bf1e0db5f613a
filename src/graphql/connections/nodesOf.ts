const paths = [[{ name: 'nodes' }], [{ name: 'edges' }, { name: 'node' }]];

/** Tells the Prisma plugin where in a connection type its nodes are selected, so that it can plan their statement. */
export function nodesOf(typeName: string): { pothosIndirectInclude: { getType: () => string; paths: typeof paths } } {
  return { pothosIndirectInclude: { getType: () => typeName, paths } };
}
