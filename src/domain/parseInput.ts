import type { z } from 'zod';
import { InvalidInputError } from './errors.ts';

/** The input as the schema wants it, or an InvalidInputError that names each faulty field by its path. */
export function parseInput<Input>(schema: z.ZodType<Input>, raw: unknown): Input {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw new InvalidInputError(
    parsed.error.issues.map(({ path, message }) => ({ path: path.map(String).join('.') || 'input', message })),
  );
}
