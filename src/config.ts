import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import type { StoreSettings } from '#backups/storeSettings.ts';
import { canonicalCidr, isLoopbackNetwork } from '#domain/cidr.ts';
import { limits } from '#domain/limits.ts';
import type { QuotaLimits } from '#domain/quota.ts';
import { StartupError } from '#lib/faults/startupError.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';

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

const networks = z
  .string()
  .transform((text) => text.split(',').map((network) => canonicalCidr(network.trim())))
  .refine(
    (list) => !list.includes(null),
    'must be networks in CIDR notation with commas between them, like 127.0.0.0/8,10.0.0.0/8',
  )
  .transform((list) => list.filter((network) => network !== null));

const socketUrls = z
  .string()
  .transform((text) => text.split(',').map((url) => url.trim()))
  .pipe(
    z.array(z.url({ protocol: /^wss?$/, error: 'must be a URL like ws://127.0.0.1:4000, or several with commas' })),
  );

const environmentSchema = z.object({
  DATABASE_URL: optional(
    z.url({ protocol: /^postgres(ql)?$/, error: 'must be a URL like postgresql://user@host:5432/grove' }).optional(),
  ),
  REDIS_URL: optional(z.url({ protocol: /^rediss?$/, error: 'must be a URL like redis://host:6379' }).optional()),
  GROVE_DATA: optional(z.string().optional()),
  GROVE_HOST: optional(z.string().default('127.0.0.1')),
  GROVE_PORT: optional(whole(0, 65_535).default(4000)),
  GROVE_CONTROL_URL: optional(socketUrls.optional()),
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
  GROVE_WEBHOOK_ALLOW_PRIVATE: optional(networks.default([])),
  GROVE_QUOTA_INSTANCES: optional(whole(0, limits.quota).default(100)),
  GROVE_QUOTA_STORAGE_GIB: optional(whole(0, limits.quota).default(10_000)),
  GROVE_QUOTA_BACKUPS: optional(whole(0, limits.quota).default(1000)),
  GROVE_BACKUP_DIRECTORY: optional(z.string().optional()),
  GROVE_BACKUP_S3_BUCKET: optional(
    z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket: 3 to 63 of a-z, 0-9, "." and "-"')
      .optional(),
  ),
  GROVE_BACKUP_S3_PREFIX: optional(
    z
      .string()
      .regex(/^[\w.-]+(\/[\w.-]+)*\/?$/, 'must be names joined by "/", like grove/production')
      .optional(),
  ),
  GROVE_BACKUP_S3_REGION: optional(z.string().default('us-east-1')),
  GROVE_BACKUP_S3_ENDPOINT: optional(
    z.url({ protocol: /^https?$/, error: 'must be a URL like https://s3.example.org' }).optional(),
  ),
  GROVE_BACKUP_S3_ACCESS_KEY_ID: optional(z.string().optional()),
  GROVE_BACKUP_S3_SECRET_ACCESS_KEY: optional(z.string().optional()),
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
  {
    name: 'GROVE_CONTROL_URL',
    meaning: 'where agents reach Grove, as ws:// or wss://, with commas (default: its own address)',
  },
  {
    name: 'GROVE_SECRET_KEY',
    meaning: '32 bytes in Base64 that encrypt passwords (default: made, in the data directory)',
  },
  { name: 'GROVE_POSTGRESQL_BIN', meaning: 'directory of PostgreSQL programs to use besides those that are found' },
  { name: 'GROVE_NETWORK', meaning: 'loopback network that clusters get theirs from (default: 127.64.0.0/10)' },
  { name: 'GROVE_LOG_LEVEL', meaning: 'trace, debug, info, warn, error, fatal or silent (default: info)' },
  { name: 'GROVE_AGENT_LEASE_SECONDS', meaning: 'silence after which an instance is UNREACHABLE (default: 10)' },
  {
    name: 'GROVE_OPERATIONS_AT_ONCE',
    meaning: 'operations that one worker runs at once, and as many promotions besides (default: 8)',
  },
  {
    name: 'GROVE_EVENT_RETENTION_DAYS',
    meaning: 'days that the log keeps events; projects may differ: 7,billing=30 (default: 7)',
  },
  {
    name: 'GROVE_WEBHOOK_ALLOW_PRIVATE',
    meaning: 'networks that webhooks may reach although they are not public, with commas between (default: none)',
  },
  {
    name: 'GROVE_QUOTA_INSTANCES',
    meaning: 'instances that a project without a limit of its own may have (default: 100)',
  },
  { name: 'GROVE_QUOTA_STORAGE_GIB', meaning: 'GiB of storage that their sizes may come to (default: 10000)' },
  { name: 'GROVE_QUOTA_BACKUPS', meaning: 'backups that such a project may keep (default: 1000)' },
  { name: 'GROVE_BACKUP_DIRECTORY', meaning: 'where backups are kept (default: backups, in the data directory)' },
  { name: 'GROVE_BACKUP_S3_BUCKET', meaning: 'S3 bucket to keep backups in instead of a directory' },
  { name: 'GROVE_BACKUP_S3_PREFIX', meaning: 'put before every key in the bucket, like grove/production' },
  { name: 'GROVE_BACKUP_S3_REGION', meaning: "the bucket's region (default: us-east-1)" },
  { name: 'GROVE_BACKUP_S3_ENDPOINT', meaning: 'URL of an S3-compatible service (default: Amazon S3)' },
  { name: 'GROVE_BACKUP_S3_ACCESS_KEY_ID', meaning: 'access key that may read, write, list and delete there' },
  { name: 'GROVE_BACKUP_S3_SECRET_ACCESS_KEY', meaning: 'its secret' },
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
  controlUrls: readonly string[] | null;
  secretKey: Uint8Array | null;
  postgresqlBin: string | null;
  networkPool: string;
  logLevel: string;
  agentLeaseMs: number;
  operationsAtOnce: number;
  /** Canonical CIDR notation. */
  webhookNetworks: readonly string[];
  /** What a project may have where it has no limit of its own. */
  quotaDefaults: QuotaLimits;
  /** Null: a directory in the data directory. */
  backupStore: StoreSettings | null;
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
    controlUrls: values.GROVE_CONTROL_URL ?? null,
    secretKey:
      values.GROVE_SECRET_KEY === undefined ? null : new Uint8Array(Buffer.from(values.GROVE_SECRET_KEY, 'base64')),
    postgresqlBin: values.GROVE_POSTGRESQL_BIN ?? null,
    networkPool: values.GROVE_NETWORK,
    logLevel: values.GROVE_LOG_LEVEL,
    agentLeaseMs: values.GROVE_AGENT_LEASE_SECONDS * 1000,
    operationsAtOnce: values.GROVE_OPERATIONS_AT_ONCE,
    webhookNetworks: values.GROVE_WEBHOOK_ALLOW_PRIVATE,
    quotaDefaults: {
      INSTANCES: values.GROVE_QUOTA_INSTANCES,
      STORAGE_GIB: values.GROVE_QUOTA_STORAGE_GIB,
      BACKUPS: values.GROVE_QUOTA_BACKUPS,
    },
    backupStore: backupStore(values, workingDirectory),
    eventRetention: assertPresent(parseRetention(values.GROVE_EVENT_RETENTION_DAYS), 'a retention'),
    path: values.PATH,
  };
}

type Environment = z.infer<typeof environmentSchema>;

/** A directory or a bucket, never half of one. */
function backupStore(values: Environment, workingDirectory: string): StoreSettings | null {
  const {
    GROVE_BACKUP_DIRECTORY: directory,
    GROVE_BACKUP_S3_BUCKET: bucket,
    GROVE_BACKUP_S3_PREFIX: prefix = '',
    GROVE_BACKUP_S3_REGION: region,
    GROVE_BACKUP_S3_ENDPOINT: endpoint = null,
    GROVE_BACKUP_S3_ACCESS_KEY_ID: accessKeyId,
    GROVE_BACKUP_S3_SECRET_ACCESS_KEY: secretAccessKey,
  } = values;
  if (bucket === undefined) {
    if (endpoint !== null || prefix !== '' || accessKeyId !== undefined || secretAccessKey !== undefined) {
      throw new StartupError(
        'Bad setting: GROVE_BACKUP_S3_… is set without GROVE_BACKUP_S3_BUCKET. Name the bucket too.',
      );
    }
    if (directory === undefined) return null;
    return { place: { kind: 'DIRECTORY', path: resolve(workingDirectory, directory) }, credentials: null };
  }
  if (directory !== undefined) {
    throw new StartupError(
      'Bad setting: both GROVE_BACKUP_DIRECTORY and GROVE_BACKUP_S3_BUCKET are set. Backups are kept in one place: set one.',
    );
  }
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new StartupError(
      'Bad setting: GROVE_BACKUP_S3_BUCKET needs GROVE_BACKUP_S3_ACCESS_KEY_ID and GROVE_BACKUP_S3_SECRET_ACCESS_KEY.',
    );
  }
  const slashed = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`;
  return {
    place: { kind: 'S3', bucket, prefix: slashed, region, endpoint },
    credentials: { accessKeyId, secretAccessKey },
  };
}
