import { destination, type Logger, pino } from 'pino';

export type { Logger };

export type LoggerOptions = {
  level: string;
  /** True on a terminal: one readable line an entry instead of JSON. */
  pretty: boolean;
};

const secretPaths = ['password', 'token', 'secret', 'authorization', 'key', 'uri', 'secrets'];

/** Builds the process's logger. Fields with the names of secrets are struck out at the first two levels. */
export function createLogger({ level, pretty }: LoggerOptions): Logger {
  const redact = { paths: secretPaths.flatMap((path) => [path, `*.${path}`]), censor: '[redacted]' };
  if (!pretty) return pino({ level, redact, base: null }, destination(2));
  return pino({
    level,
    redact,
    base: null,
    transport: {
      target: 'pino-pretty',
      options: { destination: 2, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l', singleLine: true },
    },
  });
}
