export const warningCodes = [
  'DATA_LOSS',
  'NOBODY_MAY_CONNECT',
  'SESSIONS_END',
  'NO_FAILOVER_TARGET',
  'ALREADY_ACCEPTED',
] as const;
export type WarningCode = (typeof warningCodes)[number];

/** What is allowed and may yet not be meant. Told by a dry run; refuses nothing. */
export type Warning = { code: WarningCode; message: string };
