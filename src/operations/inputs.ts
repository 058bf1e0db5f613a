import { z } from 'zod';
import { canonicalCidr } from '#domain/cidr.ts';
import { limits, namePattern } from '#domain/limits.ts';

/** Pieces of input that several operations share. */

const nameOfAtMost = (length: number) =>
  z
    .string()
    .max(length, `must have at most ${length} characters`)
    .regex(namePattern, 'must have only a-z, 0-9 and inner hyphens, and begin with a letter');

export const nameSchema = nameOfAtMost(limits.nameMaxLength);

export const instanceNameSchema = nameOfAtMost(limits.instanceNameMaxLength);

export const clusterIdSchema = z.uuid();

const bounded = ({ minimum, maximum }: { minimum: number; maximum: number }) =>
  z.int().min(minimum, `must be at least ${minimum}`).max(maximum, `must be at most ${maximum}`);

export const instanceSizeSchema = z.strictObject({
  cpuMillis: bounded(limits.cpuMillis),
  memoryMiB: bounded(limits.memoryMiB),
  storageGiB: bounded(limits.storageGiB),
});

const cidrSchema = z.string().transform((text, context) => {
  const canonical = canonicalCidr(text);
  if (canonical !== null) return canonical;
  context.addIssue('must be a network in CIDR notation without host bits, like 10.0.0.0/8');
  return z.NEVER;
});

/** Text for people: no control characters, which terminals obey and databases refuse. */
const descriptionSchema = z
  .string()
  .max(limits.descriptionMaxLength, `must have at most ${limits.descriptionMaxLength} characters`)
  .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text), 'must have no control characters');

export const accessRulesSchema = z
  .array(
    z.strictObject({ cidr: cidrSchema, description: descriptionSchema.nullish().transform((text) => text ?? null) }),
  )
  .max(limits.accessRulesPerCluster, `must have at most ${limits.accessRulesPerCluster} rules`)
  .refine((rules) => new Set(rules.map(({ cidr }) => cidr)).size === rules.length, 'must name each network once');

/** What Grove does when a primary is lost; what is not given stays, or is as by default. */
export const failoverSchema = z.strictObject({
  mode: z.enum(['AUTOMATIC', 'MANUAL']).nullish(),
  maxLagBytes: z.int().min(0, 'must not be negative').nullish(),
  detectAfterSeconds: bounded(limits.detectAfterSeconds).nullish(),
});

/** The columns that a failover policy is kept in. */
export const failoverColumns = (policy: z.infer<typeof failoverSchema> | null | undefined) => ({
  ...(policy?.mode == null ? {} : { failoverMode: policy.mode }),
  ...(policy?.maxLagBytes == null ? {} : { failoverMaxLagBytes: BigInt(policy.maxLagBytes) }),
  ...(policy?.detectAfterSeconds == null ? {} : { failoverDetectAfterSeconds: policy.detectAfterSeconds }),
});
