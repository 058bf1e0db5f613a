import {
  type GraphQLNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
} from 'graphql';
import { expect, test } from 'vitest';
import { buildSchema } from '#graphql/schema.ts';

type Described = { name: string; description?: string | null | undefined };

/** Everything in a type that a client can see, by its path. */
function partsOf(type: GraphQLNamedType): [path: string, part: Described][] {
  const parts: [string, Described][] = [[type.name, type]];
  if (isEnumType(type))
    parts.push(...type.getValues().map((value) => [`${type.name}.${value.name}`, value] as [string, Described]));
  if (isInputObjectType(type)) {
    for (const field of Object.values(type.getFields())) parts.push([`${type.name}.${field.name}`, field]);
  }
  if (isObjectType(type) || isInterfaceType(type)) {
    for (const field of Object.values(type.getFields())) {
      parts.push([`${type.name}.${field.name}`, field]);
      for (const arg of field.args) parts.push([`${type.name}.${field.name}(${arg.name}:)`, arg]);
    }
  }
  return parts;
}

const own = Object.values(buildSchema().getTypeMap()).filter(
  (type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type),
);

test('everything in the schema has a description', () => {
  const silent = own.flatMap(partsOf).flatMap(([path, { description }]) => (description ? [] : [path]));
  expect(silent).toEqual([]);
});

test('no description is a note of the store', () => {
  const described = own.flatMap(partsOf).map(([path, { description }]) => `${path}: ${description}`);
  expect(described.filter((text) => /\[\]$|\.ts\)/.test(text))).toEqual([]);
});
