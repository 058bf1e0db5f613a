import { parse } from 'graphql';
import { describe, expect, test } from 'vitest';
import type { Actor, Role } from '#domain/actor.ts';
import { buildSchema } from '#graphql/schema.ts';
import { shareableFields } from '#graphql/shareable.ts';
import { shareKeyOf } from '#graphql/shareKey.ts';

const schema = buildSchema();
const actor = (projectId = 'p', role: Role = 'VIEWER', keyId = 'k'): Actor => ({
  kind: 'API_KEY',
  projectId,
  keyId,
  name: 'test',
  role,
});
const keyOf = (source: string, variableValues: Record<string, unknown> = {}, of: Actor | null = actor()) =>
  shareKeyOf({ schema, document: parse(source), variableValues, contextValue: { actor: of } });

const document = `subscription ($after: Cursor, $filter: EventFilter) {
  events(after: $after, filter: $filter) { __typename ... on EventBatch { cursor events { type cluster { name } } } } }`;

describe('the key of what is shared', () => {
  test('names only fields that the schema has', () => {
    const missing = Object.entries(shareableFields).flatMap(([type, fields]) => {
      const found = schema.getType(type);
      const known = found && 'getFields' in found ? Object.keys(found.getFields()) : [];
      return fields.filter((field) => !known.includes(field)).map((field) => `${type}.${field}`);
    });
    expect(missing).toEqual([]);
  });

  test('is the same for the same, wherever one begins and whichever key it is', () => {
    const key = keyOf(document, { after: 'a' });
    expect(key).not.toBeNull();
    expect(keyOf(document, { after: 'b' })).toBe(key);
    expect(keyOf(document, {}, actor('p', 'VIEWER', 'another key'))).toBe(key);
    const literal = (after: string) =>
      keyOf(`subscription { events(after: "${after}") { ... on Heartbeat { cursor } } }`);
    expect(literal('a')).toBe(literal('b'));
    const inFragment = (after: string) =>
      keyOf(`subscription { ...F } fragment F on Subscription { ... { events(after: "${after}") { __typename } } }`);
    expect(inFragment('a')).toBe(inFragment('b'));
  });

  test('is another for another project, role, variable, document or operation name', () => {
    const keys = [
      keyOf(document),
      keyOf(document, {}, actor('q')),
      keyOf(document, {}, actor('p', 'ADMIN')),
      keyOf(document, {}, { kind: 'SYSTEM', projectId: 'p', name: 'VIEWER' }),
      keyOf(document, { filter: { types: [] } }),
      keyOf(document.replace('{ name }', '{ id }')),
      keyOf('subscription { operation(id: "a") { status } }'),
      keyOf('subscription { operation(id: "b") { status } }'),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).not.toContain(null);
  });

  test('counts a variable that says where to begin and something else', () => {
    const both = `subscription ($after: Cursor) { events(after: $after) { ... on EventBatch {
      events { cluster { instances(first: 1, after: $after) { totalCount } } } } } }`;
    expect(keyOf(both, { after: 'a' })).not.toBe(keyOf(both, { after: 'b' }));
  });

  test.each([
    ['a field that is not marked', document.replace('{ name }', '{ allowedActions { action } }'), actor()],
    [
      'one of them in a fragment',
      `${document.replace('{ name }', '{ ...F }')} fragment F on Cluster { name network { cidr } }`,
      actor(),
    ],
    ['nobody’s', document, null],
    [
      'a document with another operation',
      `${document.replace('subscription', 'subscription A')} query B { __typename }`,
      actor(),
    ],
    ['a query', '{ __typename }', actor()],
  ])('is none for %s', (_name, source, of) => {
    const operationName = source.includes('query B') ? { operationName: 'A' } : {};
    expect(shareKeyOf({ schema, document: parse(source), ...operationName, contextValue: { actor: of } })).toBeNull();
  });
});
