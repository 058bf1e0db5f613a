import { builder } from '../builder.ts';
import { describedEnum } from '../describedEnum.ts';
import { badUserInput } from '../errors.ts';

export const OrderDirection = describedEnum<'ASC' | 'DESC'>('OrderDirection', 'Which end of a list comes first.', {
  ASC: 'Smallest, alphabetically first or oldest first.',
  DESC: 'Greatest, alphabetically last or newest first.',
});

/** The direction as Prisma takes it. */
export const directionOf = { ASC: 'asc', DESC: 'desc' } as const;

export const TextFilter = builder.inputType('TextFilter', {
  description: 'A condition on a text. All that is given must hold.',
  fields: (t) => ({
    equals: t.string({ description: 'It is exactly this.' }),
    contains: t.string({ description: 'It has this in it, whatever the case of the letters.' }),
  }),
});

/** The condition as Prisma takes it. `contains` goes into a LIKE pattern as it is, so its wildcards are escaped here. */
export function textCondition({ equals, contains }: typeof TextFilter.$inferInput): object {
  return {
    ...(equals == null ? {} : { equals: storable(equals) }),
    ...(contains == null ? {} : { contains: storable(contains).replace(/[\\%_]/g, '\\$&'), mode: 'insensitive' }),
  };
}

/** PostgreSQL refuses the character NUL in any text, even to compare with. */
export function storable(text: string): string {
  if (text.includes('\0')) throw badUserInput('A text must not contain the character NUL.');
  return text;
}
