import SchemaBuilder from '@pothos/core';
import ComplexityPlugin from '@pothos/plugin-complexity';
import ErrorsPlugin from '@pothos/plugin-errors';
import PrismaPlugin from '@pothos/plugin-prisma';
import RelayPlugin from '@pothos/plugin-relay';
import ScopeAuthPlugin, { type AuthFailure } from '@pothos/plugin-scope-auth';
import WithInputPlugin from '@pothos/plugin-with-input';
import { type Permission, permits, requiredRole } from '#domain/actor.ts';
import type PrismaTypes from '#generated/pothos-types.ts';
import { getDatamodel } from '#generated/pothos-types.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import type { Json } from '#lib/values/json.ts';
import { countedByConnection, fieldComplexity } from './complexity.ts';
import type { Context } from './context.ts';
import { forbidden, tooComplex, unauthenticated } from './errors.ts';
import { queryLimits } from './queryLimits.ts';
import { relayDescriptions } from './relayDescriptions.ts';

export type SchemaTypes = {
  Context: Context;
  PrismaTypes: PrismaTypes;
  DefaultFieldNullability: false;
  DefaultEdgesNullability: false;
  DefaultNodeNullability: false;
  AuthScopes: { permission: Permission };
  Connection: { totalCount: () => Promise<number> | number };
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    BigInt: { Input: bigint; Output: bigint | number };
    CIDR: { Input: string; Output: string };
    Cursor: { Input: string; Output: string };
    JSON: { Input: Json; Output: Json };
  };
};

/** Errors come before authorisation: a refused field is a top-level error, not a member of a result union. */
export const builder = new SchemaBuilder<SchemaTypes>({
  plugins: [ComplexityPlugin, ErrorsPlugin, ScopeAuthPlugin, WithInputPlugin, RelayPlugin, PrismaPlugin],
  defaultFieldNullability: false,
  prisma: {
    client: ({ db }) => db as never,
    dmmf: getDatamodel(),
    exposeDescriptions: true,
    onUnusedQuery: null,
  },
  complexity: {
    limit: queryLimits,
    defaultListMultiplier: 10,
    fieldComplexity,
    complexityError: (kind, sizes) => tooComplex(kind, sizes),
  },
  relay: {
    ...relayDescriptions,
    nodesOnConnection: { ...relayDescriptions.nodesOnConnection, ...countedByConnection },
    edgesFieldOptions: { ...relayDescriptions.edgesFieldOptions, ...countedByConnection },
  },
  errors: {
    directResult: true,
    defaultUnionOptions: {
      name: ({ fieldName }) => `${capitalize(fieldName)}Result`,
      description: 'The payload, or why the request was refused. More errors may be added.',
    },
  },
  withInput: {
    typeOptions: { name: ({ fieldName }) => `${capitalize(fieldName)}Input` },
    argOptions: { required: true, description: 'What is asked for.' },
  },
  scopeAuth: {
    authorizeOnSubscribe: true,
    authScopes: ({ actor }) => ({ permission: (permission) => actor !== null && permits(actor, permission) }),
    unauthorizedError: (_parent, { actor }, { parentType, fieldName }, { failure }) => {
      if (actor === null) return unauthenticated();
      const role = actor.kind === 'API_KEY' ? actor.role : actor.kind;
      return forbidden(`${parentType.name}.${fieldName}`, { required: requiredRole[permissionOf(failure)], role });
    },
  },
});

/** The permission that was missing. The scopes of a field hold one each. */
function permissionOf(failure: AuthFailure): Permission {
  if ('failures' in failure) return permissionOf(assertPresent(failure.failures[0], 'missing scope'));
  if ('parameter' in failure) return failure.parameter as Permission;
  throw new Error(`A scope failed as ${failure.kind}`);
}

function capitalize(name: string): string {
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}

builder.queryType({
  description: 'Everything that can be read. An id that is unknown, malformed or of another project reads as null.',
  authScopes: { permission: 'read' },
});
builder.mutationType({
  description:
    'Everything that can be told to Grove. A change is recorded and answered at once; its operation says how it goes on. ' +
    'Each result is a union of the payload and of the errors to expect; more errors may be added, so select ' +
    '`... on Error { code message }` too.',
  authScopes: { permission: 'read' },
});
builder.subscriptionType({
  description: 'What happens, as it happens, from the same log that `events` reads.',
  authScopes: { permission: 'read' },
});
builder.globalConnectionField('totalCount', (t) =>
  t.int({
    description: 'How many there are in all pages together. Costs a count, so select it only where it is shown.',
    resolve: ({ totalCount }) => totalCount(),
  }),
);
