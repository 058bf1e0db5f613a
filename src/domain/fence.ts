/**
 * A file of this name in an instance's directory is a fence: whatever starts the instance's agent, its server may not accept
 * writes. A provider sets it before it stops an instance; it is lifted once the instance is a replica.
 */
export const fenceFile = 'fenced';
