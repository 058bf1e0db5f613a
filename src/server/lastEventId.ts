import { type ConstArgumentNode, type FieldNode, type GraphQLSchema, Kind } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { withRootFields } from '#graphql/withRootFields.ts';

/**
 * Honours Last-Event-ID: the subscription resumes after it. It is newer than an `after` in the document, which a client that comes
 * back repeats as it was.
 */
export function useLastEventId(): Plugin {
  return {
    onSubscribe({ args }) {
      const request: Request | undefined = args.contextValue.request;
      const cursor = request?.headers?.get('last-event-id');
      if (!cursor) return;
      const schema: GraphQLSchema = args.schema;
      const fields = schema.getSubscriptionType()?.getFields() ?? {};
      args.document = withRootFields(schema, args.document, (field) => {
        const takesCursor = fields[field.name.value]?.args.some(({ name }) => name === 'after');
        return takesCursor ? withAfter(field, cursor) : field;
      });
    },
  };
}

function withAfter(field: FieldNode, cursor: string): FieldNode {
  const after: ConstArgumentNode = {
    kind: Kind.ARGUMENT,
    name: { kind: Kind.NAME, value: 'after' },
    value: { kind: Kind.STRING, value: cursor },
  };
  return { ...field, arguments: [...(field.arguments ?? []).filter(({ name }) => name.value !== 'after'), after] };
}
