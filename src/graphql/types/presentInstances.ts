import type { Prisma } from '#generated/prisma/client.ts';

/**
 * The instances of a cluster that are not removed. Every field that needs instances selects them with these same conditions and
 * cuts in memory (an engine's rule bounds their number), so that all of them together cost one statement.
 */
export const presentInstances = {
  where: { removedAt: null },
  orderBy: [{ name: 'asc' }, { id: 'asc' }],
  select: { id: true },
} satisfies {
  where: Prisma.InstanceWhereInput;
  orderBy: Prisma.InstanceOrderByWithRelationInput[];
  select: Prisma.InstanceSelect;
};
