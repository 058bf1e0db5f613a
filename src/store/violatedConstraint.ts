import { Prisma } from '#generated/prisma/client.ts';

/** The name of the unique constraint or index that a write violated. Null: the error is of another kind. */
export function violatedConstraint(error: unknown): string | null {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError) || error.code !== 'P2002') return null;
  const cause = (error.meta as { driverAdapterError?: { cause?: UniqueViolation } } | undefined)?.driverAdapterError
    ?.cause;
  return cause?.constraint?.index ?? /constraint "([^"]+)"/.exec(cause?.originalMessage ?? '')?.[1] ?? null;
}

type UniqueViolation = { originalMessage?: string; constraint?: { index?: string } };
