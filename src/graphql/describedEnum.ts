import { builder } from './builder.ts';

/** An enum of the API with the meaning of each value; a value without one is a type error. */
export function describedEnum<Value extends string>(
  name: string,
  description: string,
  meanings: Record<Value, string>,
) {
  const entries = Object.entries<string>(meanings).map(([value, meaning]) => [value, { description: meaning }]);
  const values = Object.fromEntries(entries) as Record<Value, { description: string }>;
  return builder.enumType(name, { description, values });
}
