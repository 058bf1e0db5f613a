import { type DocumentNode, type FieldNode, type GraphQLSchema, TypeInfo, visit, visitWithTypeInfo } from 'graphql';

/** The document with the root fields of its subscriptions changed, in fragments too. The given one is shared: never changed. */
export function withRootFields(
  schema: GraphQLSchema,
  document: DocumentNode,
  change: (field: FieldNode) => FieldNode,
): DocumentNode {
  const types = new TypeInfo(schema);
  const root = schema.getSubscriptionType();
  const changing = visitWithTypeInfo(types, {
    Field: (field) => (types.getParentType() === root ? change(field) : false),
  });
  return visit(document, changing);
}
