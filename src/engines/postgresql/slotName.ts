/** The replication slot of an instance, for ever the same. PostgreSQL allows lower-case letters, digits and underscores. */
export function slotName(instanceId: string): string {
  return `grove_${instanceId.toLowerCase().replaceAll(/[^a-z0-9]/g, '')}`.slice(0, 63);
}

/** True for the slot of an instance of some cluster; others are their makers'. */
export const isInstanceSlot = (name: string): boolean => /^grove_[0-9a-f]{32}$/.test(name);
