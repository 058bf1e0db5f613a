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
      throw new GraphQLError(`DateTime must be like "2026-11-22T14:05:00Z", found ${shown(value)}.`);
    }
    return instant;
  },
});

builder.scalarType('BigInt', {
  description:
    'A whole number of up to 64 bits, as a string of decimal digits, since JSON numbers lose precision beyond 2^53.',
  serialize: (value) => BigInt(typeof value === 'number' ? Math.trunc(value) : value).toString(),
  parseValue: (value) => {
    if (typeof value === 'number' && Number.isInteger(value)) return exactly(value);
    if (typeof value === 'string' && /^-?\d+$/.test(value)) return within64Bits(value);
    throw new GraphQLError(`BigInt must be a string of decimal digits, found ${shown(value)}.`);
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

function exactly(value: number): bigint {
  if (Number.isSafeInteger(value)) return BigInt(value);
  throw new GraphQLError(`BigInt is too large for a JSON number, which is exact up to 2^53 only: give it as a string.`);
}

function within64Bits(digits: string): bigint {
  // Of a longer number the value is not even computed.
  const value = digits.length > 64 ? null : BigInt(digits);
  if (value !== null && BigInt.asIntN(64, value) === value) return value;
  throw new GraphQLError(`BigInt is too large: at most 64 bits, -2^63 to 2^63 - 1, found ${shown(digits)}.`);
}

/** What was found, cut where it is long. */
function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function requireString(scalar: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw new GraphQLError(`${scalar} must be a string, found ${shown(value)}.`);
}
