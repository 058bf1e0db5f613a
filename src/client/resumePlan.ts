import {
  type DocumentNode,
  type FieldNode,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  parse,
  visit,
} from 'graphql';

/** How a subscription is taken up again after a lost connection. */
export type ResumePlan = {
  /** The name of its field in the results. */
  responseKey: string;
  /** What `complete` means: a log has no end, so the stream has to be taken up again; a state's stream has told the last one. */
  of: 'log' | 'state';
  /** The variable that the cursor goes into; null where there is none. */
  cursorVariable: string | null;
  /** True if a stream without a cursor begins with the state. */
  beginsWithSnapshot: boolean;
};

const logFields = ['events', 'cluster'];

/**
 * Reads the plan off the document. Throws a TypeError that says how to write it if a subscription to `events` or `cluster` could
 * not be resumed: its `after` has to be a variable, and it has to select `cursor`. Queries and mutations are refused: a mutation is not
 * to be repeated. Throws graphql's own error where the document is none.
 */
export function resumePlan(source: string, operationName?: string | null): ResumePlan {
  const document = parse(source);
  const operation = getOperationAST(document, operationName);
  if (operation?.operation !== 'subscription') {
    throw new TypeError(
      'Only a subscription can be resumed: name it, where the document has several operations. Send queries and mutations another way.',
    );
  }
  const root = rootField(document, operation);
  const field = root.name.value;
  const responseKey = root.alias?.value ?? field;
  if (!logFields.includes(field)) {
    return { responseKey, of: 'state', cursorVariable: null, beginsWithSnapshot: false };
  }
  const after = root.arguments?.find(({ name }) => name.value === 'after')?.value;
  if (after?.kind !== Kind.VARIABLE) {
    throw new TypeError(
      `The subscription cannot be resumed: give "${field}" a variable for the cursor, as in subscription ($after: Cursor) { ${field}(after: $after) { … } }.`,
    );
  }
  if (!selectsCursor(document)) {
    throw new TypeError(`The subscription cannot be resumed: select "cursor" in each message of "${field}".`);
  }
  return { responseKey, of: 'log', cursorVariable: after.name.value, beginsWithSnapshot: field === 'cluster' };
}

/** The one field of a subscription's root, which may be in fragments. */
function rootField({ definitions }: DocumentNode, { selectionSet }: OperationDefinitionNode): FieldNode {
  const fragments = new Map(
    definitions.flatMap((node) => (node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node]] : [])),
  );
  const selections = [...selectionSet.selections];
  for (const selection of selections) {
    if (selection.kind === Kind.FIELD) return selection;
    const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
    selections.push(...(fragment?.selectionSet.selections ?? []));
    // Once each: a document that is not valid may have a fragment in itself.
    if (selection.kind === Kind.FRAGMENT_SPREAD) fragments.delete(selection.name.value);
  }
  throw new TypeError('The subscription selects no field.');
}

function selectsCursor(document: DocumentNode): boolean {
  let found = false;
  visit(document, {
    Field({ name, alias }) {
      found ||= name.value === 'cursor' && alias === undefined;
    },
  });
  return found;
}
