import {
  type GraphQLField,
  type GraphQLInputType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildSchema } from '#graphql/schema.ts';
import { createGraphqlWorld, type GraphqlWorld, globalId, insertCluster } from './graphqlWorld.ts';

let world: GraphqlWorld;
beforeAll(async () => {
  world = await createGraphqlWorld();
});
afterAll(() => world.close());

const schema = buildSchema();
const rootFields = [
  ['query', schema.getQueryType()],
  ['mutation', schema.getMutationType()],
  ['subscription', schema.getSubscriptionType()],
] as const;
const cases = rootFields.flatMap(([kind, type]) =>
  Object.values(type?.getFields() ?? {}).map((field) => [kind, field.name, field] as const),
);

/** A literal that the type takes. */
function literal(type: GraphQLInputType): string {
  if (isNonNullType(type)) return literal(type.ofType);
  if (isListType(type)) return `[${literal(type.ofType)}]`;
  if (isEnumType(type)) return type.getValues()[0]?.name ?? '';
  if (!isInputObjectType(type)) return type.name === 'Int' ? '1' : '"x"';
  const fields = Object.values(type.getFields()).filter((field) => type.isOneOf || isNonNullType(field.type));
  return `{ ${(type.isOneOf ? fields.slice(0, 1) : fields).map((field) => `${field.name}: ${literal(field.type)}`).join(' ')} }`;
}

function documentFor(kind: string, field: GraphQLField<unknown, unknown>): string {
  const given = field.args.filter((arg) => isNonNullType(arg.type)).map((arg) => `${arg.name}: ${literal(arg.type)}`);
  const selection = isLeafType(getNamedType(field.type)) ? '' : ' { __typename }';
  return `${kind} { ${field.name}${given.length > 0 ? `(${given.join(' ')})` : ''}${selection} }`;
}

describe('without a key', () => {
  test.each(cases)('%s %s is refused, and the error says how to send one', async (kind, _name, field) => {
    const document = documentFor(kind, field);
    const answer =
      kind === 'subscription' ? await (await world.subscribe(null, document)).next() : await world.ask(null, document);
    expect(Object.values(answer?.data ?? {})).toEqual(answer?.data ? [null] : []);
    expect(answer?.errors).toHaveLength(1);
    expect(answer?.errors?.[0]).toMatchObject({
      message: expect.stringContaining('Authorization: Bearer'),
      extensions: { code: 'UNAUTHENTICATED' },
    });
  });
});

const nobodysWebhook = globalId('Webhook', '01a20386-7795-70c0-a9fb-976c956703f7');

describe('a key of a role', () => {
  const error = '... on ForbiddenError { code message requiredRole }';

  test.each([
    ['VIEWER', 'createCluster(input: { name: "a", engine: "fake", instanceCount: 1 })', 'OPERATOR'],
    ['OPERATOR', 'createApiKey(input: { name: "a", role: VIEWER })', 'ADMIN'],
    ['OPERATOR', 'createWebhook(input: { url: "https://example.com" })', 'ADMIN'],
    ['OPERATOR', `updateWebhook(input: { webhookId: "${nobodysWebhook}", paused: true })`, 'ADMIN'],
    ['OPERATOR', `deleteWebhook(input: { webhookId: "${nobodysWebhook}" })`, 'ADMIN'],
    ['OPERATOR', `rotateWebhookSecret(input: { webhookId: "${nobodysWebhook}" })`, 'ADMIN'],
    ['OPERATOR', `replayWebhook(input: { webhookId: "${nobodysWebhook}" })`, 'ADMIN'],
  ] as const)('%s may not do %s', async (role, field, requiredRole) => {
    const actor = await world.createActor(role);
    const { data } = await world.ask(actor, `mutation { r: ${field} { ${error} } }`);
    expect(data.r).toMatchObject({ code: 'FORBIDDEN', requiredRole });
  });

  test('OPERATOR may not turn deletion protection, nor see passwords', async () => {
    const actor = await world.createActor('OPERATOR');
    const { globalId: id } = await insertCluster(world, actor);
    const { data } = await world.ask(
      actor,
      `mutation ($id: ID!) {
        a: updateCluster(input: { clusterId: $id, deletionProtection: false }) { ${error} }
        b: revealCredentials(input: { clusterId: $id }) { ${error} }
      }`,
      { id },
    );
    expect([data.a.requiredRole, data.b.requiredRole]).toEqual(['ADMIN', 'ADMIN']);
  });

  test('VIEWER does not see the keys of the project', async () => {
    const { data, errors } = await world.ask(await world.createActor('VIEWER'), '{ apiKeys { nodes { name } } }');
    expect(data).toBe(null);
    expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' }, path: ['apiKeys'] }]);
  });
});
