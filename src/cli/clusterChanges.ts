import { CliError } from './cliError.ts';
import type { Option, ValuesOf } from './command.ts';
import { wholeNumber } from './wholeNumber.ts';

/** What `clusters update` can change. Each pair of which the second begins with `no-` excludes itself. */
export const clusterChangeOptions = {
  allow: {
    type: 'string',
    multiple: true,
    value: 'CIDR',
    meaning: 'a network that may connect, instead of those so far; more than once for more',
  },
  'no-allow': { type: 'boolean', meaning: 'nobody may connect' },
  protect: { type: 'boolean', meaning: 'protect it from deletion; needs a key of role ADMIN' },
  'no-protect': { type: 'boolean', meaning: 'let it be deleted; needs a key of role ADMIN' },
  synchronous: { type: 'boolean', meaning: 'a commit is acknowledged only once a replica has it too' },
  'no-synchronous': { type: 'boolean', meaning: 'commits wait for no replica' },
  failover: { type: 'string', value: 'MODE', meaning: 'who replaces a lost primary: automatic (Grove) or manual' },
  'max-lag-bytes': {
    type: 'string',
    value: 'NUMBER',
    meaning: 'how far behind the primary a replica may be to be promoted',
  },
  'detect-after-seconds': {
    type: 'string',
    value: 'NUMBER',
    meaning: 'how long the primary must be gone before Grove promotes another',
  },
  'backup-schedule': {
    type: 'string',
    value: 'CRON',
    meaning: 'when it is backed up by itself, in UTC ("30 2 * * *"); with the next three, instead of the policy so far',
  },
  'keep-count': { type: 'string', value: 'NUMBER', meaning: 'with --backup-schedule: how many of them are kept' },
  'keep-days': { type: 'string', value: 'NUMBER', meaning: 'with --backup-schedule: for how many days' },
  'verify-backups': {
    type: 'boolean',
    meaning: 'with --backup-schedule: each is restored once to show that it can be',
  },
  'no-backup-schedule': { type: 'boolean', meaning: 'it is backed up on request only' },
} as const satisfies Record<string, Option>;

type Values = ValuesOf<typeof clusterChangeOptions>;

/** The options as the input of `updateCluster`. `networks`: who may connect; undefined: as it is. Throws a CliError. */
export function clusterChanges(values: Values): { networks: string[] | undefined; rest: Record<string, unknown> } {
  const deletionProtection = eitherOf(values, 'protect', 'no-protect');
  const synchronous = eitherOf(values, 'synchronous', 'no-synchronous');
  const failover = failoverOf(values);
  const backupPolicy = backupPolicyOf(values);
  const networks = eitherOf(values, 'allow', 'no-allow') === false ? [] : values.allow;
  const rest = withoutUndefined({ deletionProtection, synchronous, failover, backupPolicy });
  if (networks === undefined && Object.keys(rest).length === 0)
    throw new CliError('usage', 'USAGE', 'Say what to change. See grove clusters update --help.');
  return { networks, rest };
}

/** True: the first was given; false: the second; undefined: neither was. */
function eitherOf(values: Values, yes: keyof Values, no: keyof Values): boolean | undefined {
  const [isYes, isNo] = [values[yes] !== undefined, values[no] !== undefined];
  if (isYes && isNo) throw new CliError('usage', 'USAGE', `--${yes} and --${no} exclude each other.`);
  return isYes || isNo ? isYes : undefined;
}

const modes = ['AUTOMATIC', 'MANUAL'];

function failoverOf(values: Values): Record<string, unknown> | undefined {
  const mode = values.failover?.toUpperCase();
  if (mode !== undefined && !modes.includes(mode))
    throw new CliError('usage', 'USAGE', `--failover takes automatic or manual, not "${values.failover}".`);
  const policy = withoutUndefined({
    mode,
    maxLagBytes: wholeNumber('max-lag-bytes', values['max-lag-bytes'], 15),
    detectAfterSeconds: wholeNumber('detect-after-seconds', values['detect-after-seconds']),
  });
  return Object.keys(policy).length === 0 ? undefined : policy;
}

function backupPolicyOf(values: Values): Record<string, unknown> | undefined {
  const policy = withoutUndefined({
    schedule: values['backup-schedule'],
    keepCount: wholeNumber('keep-count', values['keep-count']),
    keepDays: wholeNumber('keep-days', values['keep-days']),
    verify: values['verify-backups'],
  });
  if (eitherOf(values, 'backup-schedule', 'no-backup-schedule') === false) return {};
  if (Object.keys(policy).length === 0) return undefined;
  if (policy.schedule !== undefined) return policy;
  throw new CliError(
    'usage',
    'USAGE',
    'How long backups are kept goes with --backup-schedule. See grove clusters update --help.',
  );
}

const withoutUndefined = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
