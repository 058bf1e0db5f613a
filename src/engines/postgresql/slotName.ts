/** The replication slot of an instance, for ever the same. PostgreSQL allows lower-case letters, digits and underscores. */
export function slotName(instanceId: string): string {
  return `grove_${instanceId.toLowerCase().replaceAll(/[^a-z0-9]/g, '')}`.slice(0, 63);
}
