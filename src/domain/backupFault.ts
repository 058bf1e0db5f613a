import type { InstanceBackupFault } from '#generated/prisma/enums.ts';

type FaultyPart = { instanceName: string; fault: InstanceBackupFault | null };

/** The gravest first: of what is missing nothing is left. */
const byGravity = ['MISSING', 'DAMAGED'] as const satisfies readonly InstanceBackupFault[];

const words = {
  MISSING: 'missing from the backup store',
  DAMAGED: 'damaged',
} as const satisfies Record<InstanceBackupFault, string>;

/** The gravest fault of these parts. Null: none is known. */
export function gravestFault(parts: readonly FaultyPart[]): InstanceBackupFault | null {
  return byGravity.find((fault) => parts.some((part) => part.fault === fault)) ?? null;
}

/** What is known to be wrong with these parts, for people. Null: nothing. */
export function faultInWords(parts: readonly FaultyPart[]): string | null {
  const found = byGravity.flatMap((fault) => {
    const names = parts.filter((part) => part.fault === fault).map(({ instanceName }) => instanceName);
    return names.length === 0 ? [] : [`Known to be ${words[fault]}: the part of ${names.join(', ')}.`];
  });
  return found.length === 0 ? null : found.join(' ');
}
