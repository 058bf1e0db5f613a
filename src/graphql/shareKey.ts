import {
  type DefinitionNode,
  type DocumentNode,
  type ExecutionArgs,
  type FieldNode,
  type GraphQLSchema,
  getOperationAST,
  Kind,
  print,
  visit,
} from 'graphql';
import type { Context } from './context.ts';
import { isShareable } from './shareable.ts';
import { withRootFields } from './withRootFields.ts';

/** Where a subscriber begins is its own matter: the root field's argument of this name is no part of what it asks for. */
const ownArgument = 'after';

/** What is asked for but where to begin, and which variables say nothing else. */
type SharedDocument = { text: string; ownVariables: ReadonlySet<string> };

const known = new WeakMap<GraphQLSchema, WeakMap<DocumentNode, SharedDocument | null>>();

/**
 * Subscribers with the same key are answered alike to the same message: same document and variables (apart from where they
 * begin), same project, same role. Null: something in the answer may depend on more, so that it is this subscriber's alone.
 */
export function shareKeyOf(args: ExecutionArgs): string | null {
  const { actor } = args.contextValue as Context;
  const shared = sharedDocumentOf(args);
  if (actor === null || shared === null) return null;
  const role = actor.kind === 'API_KEY' ? actor.role : actor.kind;
  const variables = Object.entries(args.variableValues ?? {}).filter(([name]) => !shared.ownVariables.has(name));
  return JSON.stringify([actor.projectId, role, shared.text, args.operationName ?? null, variables]);
}

function sharedDocumentOf({ schema, document, operationName }: ExecutionArgs): SharedDocument | null {
  const documents = known.get(schema) ?? new WeakMap<DocumentNode, SharedDocument | null>();
  known.set(schema, documents);
  const before = documents.get(document);
  if (before !== undefined) return before;
  const shared = isShareable(schema, document) ? withoutStart(schema, document, operationName) : null;
  documents.set(document, shared);
  return shared;
}

function withoutStart(
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: string | null | undefined,
): SharedDocument | null {
  const operation = getOperationAST(document, operationName);
  // One operation a document, so that what is known of a document does not depend on the operation's name.
  if (operation?.operation !== 'subscription' || document.definitions.filter(isOperation).length > 1) return null;
  const rest = withRootFields(schema, document, withoutOwnArgument);
  const used = variablesIn(rest);
  const declared = (operation.variableDefinitions ?? []).map(({ variable }) => variable.name.value);
  return {
    text: print(rest),
    ownVariables: new Set(declared.filter((name) => !used.has(name))),
  };
}

const isOperation = (node: DefinitionNode): boolean => node.kind === Kind.OPERATION_DEFINITION;

function withoutOwnArgument(field: FieldNode): FieldNode {
  return { ...field, arguments: (field.arguments ?? []).filter(({ name }) => name.value !== ownArgument) };
}

function variablesIn(document: DocumentNode): Set<string> {
  const names = new Set<string>();
  visit(document, {
    VariableDefinition: () => false,
    Variable: ({ name }) => void names.add(name.value),
  });
  return names;
}
