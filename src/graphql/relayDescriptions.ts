/** The words of the Relay plugin's types, fields and arguments. `node` and `nodes` are our own: an odd id is null, not an error. */
export const relayDescriptions = {
  nodeQueryOptions: false,
  nodesQueryOptions: false,
  nodesOnConnection: { description: 'The things of this page, without their cursors.' },
  nodeTypeOptions: { description: 'A thing with an id that `node` finds again.' },
  idFieldOptions: { description: 'Opaque and for ever the same.' },
  pageInfoTypeOptions: { description: 'Where a page lies in the whole list.' },
  hasNextPageFieldOptions: {
    description: 'True if more follows. When paging backward: if the page ends before `before`.',
  },
  hasPreviousPageFieldOptions: {
    description: 'True if something comes before. When paging forward: if the page begins after `after`.',
  },
  startCursorFieldOptions: { description: 'Cursor of the first thing of the page; null on an empty page.' },
  endCursorFieldOptions: { description: 'Cursor of the last thing of the page; null on an empty page.' },
  cursorFieldOptions: { description: 'Pass it as `after` or `before` to page on from here.' },
  nodeFieldOptions: { description: 'The thing itself.' },
  edgesFieldOptions: { description: 'The things of this page, each with its cursor.' },
  pageInfoFieldOptions: { description: 'Where the page lies in the whole list.' },
  firstArgOptions: {
    description: 'How many from the start of the list (or from `after`): 1 to 100, 20 when left out.',
  },
  lastArgOptions: {
    description: 'How many from the end of the list (or before `before`): 1 to 100. Not together with `first`.',
  },
  afterArgOptions: { description: 'Begin after this cursor of the same list in the same order.' },
  beforeArgOptions: { description: 'End before this cursor of the same list in the same order.' },
  defaultConnectionTypeOptions: { description: 'A page of a list.' },
  defaultEdgeTypeOptions: { description: 'One entry of a page.' },
} as const;
