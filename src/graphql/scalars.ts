import { GraphQLError } from 'graphql';
import { builder } from './builder.ts';

const instantPattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/i;

builder.scalarType('DateTime', {
  description:
    'An instant in ISO 8601 with its offset, e.g. 2026-11-22T14:05:00.000Z. Answers are in UTC with milliseconds.',
  serialize: (value) => value.toISOString(),
  parseValue: (value) => {
    const instant = new Date(typeof value === 'string' && instantPattern.test(value) ? value : Number.NaN);
    if (Number.isNaN(instant.getTime())) {
      throw new GraphQLError(`DateTime must be like "2026-11-22T14:05:00Z", found ${JSON.stringify(value)}.`);
    }
    return instant;
  },
});

builder.scalarType('BigInt', {
  description:
    'A whole number of up to 64 bits, as a string of decimal digits, since JSON numbers lose precision beyond 2^53.',
  serialize: (value) => BigInt(typeof value === 'number' ? Math.trunc(value) : value).toString(),
  parseValue: (value) => {
    if (typeof value === 'string' && /^-?\d{1,19}$/.test(value)) return BigInt(value);
    if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
    throw new GraphQLError(`BigInt must be a string of decimal digits, found ${JSON.stringify(value)}.`);
  },
});

builder.scalarType('CIDR', {
  description: 'A network in CIDR notation, e.g. 10.1.0.0/16 or 2001:db8::/48. A single address has /32 or /128.',
  serialize: (value) => value,
  // Judged by the operation, so that a faulty network is an InvalidInputError with its path like any other faulty field.
  parseValue: (value) => requireString('CIDR', value),
});

builder.scalarType('Cursor', {
  description:
    'A place in the event log. Opaque; good for the `events` query and for every subscription of the project.',
  serialize: (value) => value,
  parseValue: (value) => requireString('Cursor', value),
});

builder.scalarType('JSON', {
  description: 'Any JSON value, where its shape belongs to an engine or to the type of an event.',
  serialize: (value) => value,
});

function requireString(scalar: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw new GraphQLError(`${scalar} must be a string, found ${JSON.stringify(value)}.`);
}
