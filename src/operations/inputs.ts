import { CronExpressionParser } from 'cron-parser';
import { z } from 'zod';
import type { BackupPolicy } from '#domain/backupPolicy.ts';
import { canonicalCidr } from '#domain/cidr.ts';
import { limits, namePattern } from '#domain/limits.ts';
import { plainText } from '#domain/plainText.ts';
import { isGiven } from '#lib/values/isGiven.ts';

/** Pieces of input that several operations share. */

const nameOfAtMost = (length: number) =>
  z
    .string()
    .max(length, `must have at most ${length} characters`)
    .regex(namePattern, 'must have only a-z, 0-9 and inner hyphens, and begin with a letter');

export const nameSchema = nameOfAtMost(limits.nameMaxLength);

const instanceNameSchema = nameOfAtMost(limits.instanceNameMaxLength);

export const clusterIdSchema = z.uuid();

export const backupIdSchema = z.uuid();

const bounded = ({ minimum, maximum }: { minimum: number; maximum: number }) =>
  z.int().min(minimum, `must be at least ${minimum}`).max(maximum, `must be at most ${maximum}`);

export const instanceSizeSchema = z.strictObject({
  cpuMillis: bounded(limits.cpuMillis),
  memoryMiB: bounded(limits.memoryMiB),
  storageGiB: bounded(limits.storageGiB),
});

/** The instances that are to be made, an entry for each. */
export const newInstancesSchema = z
  .array(z.strictObject({ name: instanceNameSchema.nullish(), size: instanceSizeSchema.nullish() }))
  .refine((instances) => {
    const names = instances.flatMap(({ name }) => name ?? []);
    return new Set(names).size === names.length;
  }, 'must not have two instances of the same name');

/** How many instances, or an entry for each: one of the two. */
export function countOrInstances<Count extends 'count' | 'instanceCount'>(field: Count) {
  return (input: Partial<Record<Count | 'instances', unknown>>, context: z.RefinementCtx): void => {
    const hasCount = isGiven(input[field]);
    if (hasCount !== isGiven(input.instances)) return;
    const message = hasCount
      ? 'must not be given together with instances: one of the two says how many there are to be'
      : 'must be given, or instances instead of it';
    context.addIssue({ code: 'custom', path: [field], message });
  };
}

const notEmpty = (text: z.ZodString) =>
  text.min(1, 'must not be empty').max(limits.nameMaxLength, `must have at most ${limits.nameMaxLength} characters`);

export const engineNameSchema = notEmpty(z.string());

export const engineVersionSchema = notEmpty(z.string());

/** Not a transformation, whose failure would keep what is wrong with the rest of the input from being told. */
const cidrSchema = z
  .string()
  .refine(
    (text) => canonicalCidr(text) !== null,
    'must be a network in CIDR notation without host bits or leading zeros, like 10.0.0.0/8',
  )
  .overwrite((text) => canonicalCidr(text) ?? text);

const descriptionSchema = plainText(limits.descriptionMaxLength);

export const accessRulesSchema = z
  .array(
    z.strictObject({ cidr: cidrSchema, description: descriptionSchema.nullish().transform((text) => text ?? null) }),
  )
  .max(limits.accessRulesPerCluster, `must have at most ${limits.accessRulesPerCluster} rules`)
  .refine((rules) => new Set(rules.map(({ cidr }) => cidr)).size === rules.length, 'must name each network once');

/** What Grove does when a primary is lost; what is not given stays, or is as by default. */
export const failoverSchema = z.strictObject({
  mode: z.enum(['AUTOMATIC', 'MANUAL']).nullish(),
  maxLagBytes: z.int(`must be at most ${Number.MAX_SAFE_INTEGER}`).min(0, 'must not be negative').nullish(),
  detectAfterSeconds: bounded(limits.detectAfterSeconds).nullish(),
});

/** The columns that a failover policy is kept in. */
export const failoverColumns = (policy: z.infer<typeof failoverSchema> | null | undefined) => ({
  ...(policy?.mode == null ? {} : { failoverMode: policy.mode }),
  ...(policy?.maxLagBytes == null ? {} : { failoverMaxLagBytes: BigInt(policy.maxLagBytes) }),
  ...(policy?.detectAfterSeconds == null ? {} : { failoverDetectAfterSeconds: policy.detectAfterSeconds }),
});

const cronSchema = z
  .string()
  .max(100, 'must have at most 100 characters')
  .refine(isCronExpression, 'must be a cron expression of five fields that comes due some day, like "30 2 * * *"');

function isCronExpression(text: string): boolean {
  if (text.trim().split(/\s+/).length !== 5) return false;
  try {
    CronExpressionParser.parse(text, { tz: 'UTC' }).next();
    return true;
  } catch {
    return false;
  }
}

const atLeastOne = (maximum: number) => bounded({ minimum: 1, maximum });

/** Without a schedule: no policy. */
export const backupPolicySchema = z
  .strictObject({
    schedule: cronSchema.nullish(),
    keepCount: atLeastOne(limits.backupsKept).nullish(),
    keepDays: atLeastOne(limits.backupDaysKept).nullish(),
    verify: z.boolean().nullish(),
  })
  .refine(
    ({ schedule, ...rest }) => schedule != null || Object.values(rest).every((value) => value == null),
    'must have a schedule, or nothing at all',
  );

/** The policy as it is stored. Null: backups are taken on request only. */
export function backupPolicyOf({
  schedule,
  keepCount,
  keepDays,
  verify,
}: z.infer<typeof backupPolicySchema>): BackupPolicy | null {
  if (schedule == null) return null;
  return { schedule, keepCount: keepCount ?? null, keepDays: keepDays ?? null, verify: verify ?? false };
}
