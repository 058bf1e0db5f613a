const warningCodes = [
  'DATA_LOSS',
  'NOBODY_MAY_CONNECT',
  'SESSIONS_END',
  'NO_FAILOVER_TARGET',
  'WRITES_MAY_BE_LOST',
  'NO_EFFECT',
  'ALREADY_ACCEPTED',
] as const;
export type WarningCode = (typeof warningCodes)[number];

/** What is allowed and may yet not be meant. Told by a dry run; refuses nothing. */
export type Warning = { code: WarningCode; message: string };
