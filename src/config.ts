import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import { isLoopbackNetwork } from '#domain/cidr.ts';
import { assertPresent } from '#lib/assertPresent.ts';
import { StartupError } from '#lib/startupError.ts';

const seconds = (fallback: number) => z.coerce.number('must be a number').positive('must be above 0').default(fallback);

const whole = (minimum: number, maximum: number) => {
  const range = `must be a whole number from ${minimum} to ${maximum}`;
  return z.coerce.number(range).int(range).min(minimum, range).max(maximum, range);
};

/** `7` or `7,billing=30`. Null: it is neither. */
function parseRetention(text: string): Config['eventRetention'] | null {
  const [first = '', ...others] = text.split(',');
  const named = others.map((part) => /^\s*(.+?)\s*=\s*(\S+)\s*$/.exec(part));
  const days = [first, ...named.map((match) => match?.[2] ?? '')].map((value) =>
    value.trim() === '' ? 0 : Number(value),
  );
  if (!days.every((count) => Number.isFinite(count) && count > 0)) return null;
  const daysByProject = Object.fromEntries(named.map((match, index) => [match?.[1], days[index + 1]]));
  return { days: days[0] ?? 0, daysByProject };
}

/** An empty variable is one that is not set: Compose files and CI pass on what they do not know as "". */
const optional = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (value === '' ? undefined : value), schema);

const environmentSchema = z.object({
  DATABASE_URL: optional(
    z.url({ protocol: /^postgres(ql)?$/, error: 'must be a URL like postgresql://user@host:5432/grove' }).optional(),
  ),
  REDIS_URL: optional(z.url({ protocol: /^rediss?$/, error: 'must be a URL like redis://host:6379' }).optional()),
  GROVE_DATA: optional(z.string().optional()),
  GROVE_HOST: optional(z.string().default('127.0.0.1')),
  GROVE_PORT: optional(whole(0, 65_535).default(4000)),
  GROVE_CONTROL_URL: optional(
    z.url({ protocol: /^wss?$/, error: 'must be a URL like ws://127.0.0.1:4000' }).optional(),
  ),
  GROVE_SECRET_KEY: optional(
    z
      .string()
      .refine(
        (value) => Buffer.from(value, 'base64').length === 32,
        'must be 32 random bytes in Base64 (openssl rand -base64 32)',
      )
      .optional(),
  ),
  GROVE_POSTGRESQL_BIN: optional(z.string().optional()),
  GROVE_NETWORK: optional(
    z
      .string()
      .default('127.64.0.0/10')
      .refine(
        (text) => isLoopbackNetwork(text, 16),
        'must be a network in 127.0.0.0/8 of 16 addresses or more, like 127.64.0.0/10',
      ),
  ),
  GROVE_LOG_LEVEL: optional(z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info')),
  GROVE_AGENT_LEASE_SECONDS: optional(seconds(10)),
  GROVE_OPERATIONS_AT_ONCE: optional(whole(1, 100).default(8)),
  GROVE_EVENT_RETENTION_DAYS: optional(
    z
      .string()
      .default('7')
      .refine(
        (text) => parseRetention(text) !== null,
        'must be a number of days above 0, and may name projects that differ, like 7,billing=30',
      ),
  ),
  PATH: z.string().default('/usr/local/bin:/usr/bin:/bin'),
});

/** What each variable sets, for `--help`. */
export const settings: readonly { name: string; meaning: string }[] = [
  {
    name: 'DATABASE_URL',
    meaning: 'PostgreSQL that stores everything (default: an embedded one in the data directory)',
  },
  { name: 'REDIS_URL', meaning: 'Redis that wakes up the nodes of one Grove (default: none, for a single process)' },
  {
    name: 'GROVE_DATA',
    meaning: 'data directory (default: .grove; as root, where servers cannot reach that: /var/lib/grove)',
  },
  { name: 'GROVE_HOST', meaning: 'address to listen on (default: 127.0.0.1)' },
  { name: 'GROVE_PORT', meaning: 'port to listen on (default: 4000)' },
  { name: 'GROVE_CONTROL_URL', meaning: 'where agents reach Grove, as ws:// or wss:// (default: its own address)' },
  {
    name: 'GROVE_SECRET_KEY',
    meaning: '32 bytes in Base64 that encrypt passwords (default: made, in the data directory)',
  },
  { name: 'GROVE_POSTGRESQL_BIN', meaning: 'directory of PostgreSQL programs to use besides those that are found' },
  { name: 'GROVE_NETWORK', meaning: 'loopback network that clusters get theirs from (default: 127.64.0.0/10)' },
  { name: 'GROVE_LOG_LEVEL', meaning: 'trace, debug, info, warn, error, fatal or silent (default: info)' },
  { name: 'GROVE_AGENT_LEASE_SECONDS', meaning: 'silence after which an instance is UNREACHABLE (default: 10)' },
  { name: 'GROVE_OPERATIONS_AT_ONCE', meaning: 'operations that one worker runs at once (default: 8)' },
  {
    name: 'GROVE_EVENT_RETENTION_DAYS',
    meaning: 'days that the log keeps events; projects may differ: 7,billing=30 (default: 7)',
  },
];

/** The configuration of a process; every default is filled in. */
export type Config = {
  databaseUrl: string | null;
  redisUrl: string | null;
  /** Absolute. Null: not said, choose a fitting place. */
  dataDirectory: string | null;
  workingDirectory: string;
  host: string;
  port: number;
  controlUrl: string | null;
  secretKey: Uint8Array | null;
  postgresqlBin: string | null;
  networkPool: string;
  logLevel: string;
  agentLeaseMs: number;
  operationsAtOnce: number;
  /** How long events are kept, in days. */
  eventRetention: { days: number; daysByProject: Record<string, number> };
  path: string;
};

/** Reads the environment: the only place that does. Throws one StartupError that names every fault. */
export function loadConfig(environment: NodeJS.ProcessEnv, workingDirectory: string): Config {
  const parsed = environmentSchema.safeParse(environment);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`);
    throw new StartupError(`Bad setting: ${faults.join('; ')}. See grove --help.`);
  }
  const values = parsed.data;
  const directory = values.GROVE_DATA ?? null;
  return {
    databaseUrl: values.DATABASE_URL ?? null,
    redisUrl: values.REDIS_URL ?? null,
    dataDirectory: directory === null || isAbsolute(directory) ? directory : resolve(workingDirectory, directory),
    workingDirectory,
    host: values.GROVE_HOST,
    port: values.GROVE_PORT,
    controlUrl: values.GROVE_CONTROL_URL ?? null,
    secretKey:
      values.GROVE_SECRET_KEY === undefined ? null : new Uint8Array(Buffer.from(values.GROVE_SECRET_KEY, 'base64')),
    postgresqlBin: values.GROVE_POSTGRESQL_BIN ?? null,
    networkPool: values.GROVE_NETWORK,
    logLevel: values.GROVE_LOG_LEVEL,
    agentLeaseMs: values.GROVE_AGENT_LEASE_SECONDS * 1000,
    operationsAtOnce: values.GROVE_OPERATIONS_AT_ONCE,
    eventRetention: assertPresent(parseRetention(values.GROVE_EVENT_RETENTION_DAYS), 'a retention'),
    path: values.PATH,
  };
}
