import {
  type ConstArgumentNode,
  type DocumentNode,
  type FieldNode,
  type GraphQLSchema,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';

/**
 * Honours Last-Event-ID: the subscription resumes after it. It is newer than an `after` in the document, which a client that comes
 * back repeats as it was.
 */
export function useLastEventId(): Plugin {
  return {
    onSubscribe({ args }) {
      const request: Request | undefined = args.contextValue.request;
      const cursor = request?.headers?.get('last-event-id');
      if (cursor) args.document = resumeAfter(args, cursor);
    },
  };
}

type Subscription = { schema: GraphQLSchema; document: DocumentNode; operationName?: string | null | undefined };

/** The document with `after: cursor` in the subscription's root field, if that takes a cursor. The given one is shared: never changed. */
function resumeAfter({ schema, document, operationName }: Subscription, cursor: string): DocumentNode {
  const operation = getOperationAST(document, operationName);
  const fields = schema.getSubscriptionType()?.getFields() ?? {};
  if (operation?.operation !== 'subscription') return document;
  const resumed: OperationDefinitionNode = {
    ...operation,
    selectionSet: {
      ...operation.selectionSet,
      selections: operation.selectionSet.selections.map((selection) => {
        const takesCursor =
          selection.kind === Kind.FIELD && fields[selection.name.value]?.args.some(({ name }) => name === 'after');
        return takesCursor ? withAfter(selection, cursor) : selection;
      }),
    },
  };
  return { ...document, definitions: document.definitions.map((node) => (node === operation ? resumed : node)) };
}

function withAfter(field: FieldNode, cursor: string): FieldNode {
  const after: ConstArgumentNode = {
    kind: Kind.ARGUMENT,
    name: { kind: Kind.NAME, value: 'after' },
    value: { kind: Kind.STRING, value: cursor },
  };
  return { ...field, arguments: [...(field.arguments ?? []).filter(({ name }) => name.value !== 'after'), after] };
}
