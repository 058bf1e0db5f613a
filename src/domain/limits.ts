/** Bounds of what can be asked for. Units are in the names. */
export const limits = {
  nameMaxLength: 40,
  /** Room for a cluster's longest name and a number behind it. */
  instanceNameMaxLength: 50,
  descriptionMaxLength: 200,
  accessRulesPerCluster: 50,
  cpuMillis: { minimum: 100, maximum: 128_000 },
  memoryMiB: { minimum: 128, maximum: 4_194_304 },
  storageGiB: { minimum: 1, maximum: 65_536 },
  /** The most that a limit of a quota can be set to. */
  quota: 1_000_000_000,
  /** For how long a primary must be gone before another is promoted by itself. */
  detectAfterSeconds: { minimum: 1, maximum: 3600 },
  /** A replica that is further behind its primary, in bytes, is reported as lagging. */
  replicationLagBytes: 16 * 1024 * 1024,
} as const;

/** What a cluster gets where the request does not say. */
export const defaultInstanceSize = { cpuMillis: 1000, memoryMiB: 512, storageGiB: 10 } as const;

/** Names are DNS labels: lower-case letters, digits and inner hyphens, beginning with a letter. */
export const namePattern = /^[a-z](?:[a-z0-9-]*[a-z0-9])?$/;
