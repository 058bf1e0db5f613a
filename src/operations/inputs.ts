import { z } from 'zod';
import { limits, namePattern } from '#domain/limits.ts';

/** Pieces of input that several operations share. */

export const nameSchema = z
  .string()
  .max(limits.nameMaxLength, `must have at most ${limits.nameMaxLength} characters`)
  .regex(namePattern, 'must have only a-z, 0-9 and inner hyphens, and begin with a letter');

export const clusterIdSchema = z.uuid();

const bounded = ({ minimum, maximum }: { minimum: number; maximum: number }) =>
  z.int().min(minimum, `must be at least ${minimum}`).max(maximum, `must be at most ${maximum}`);

export const instanceSizeSchema = z.strictObject({
  cpuMillis: bounded(limits.cpuMillis),
  memoryMiB: bounded(limits.memoryMiB),
  storageGiB: bounded(limits.storageGiB),
});

const cidrSchema = z.union([z.cidrv4(), z.cidrv6()], 'must be a network in CIDR notation, like 10.0.0.0/8');

export const accessRulesSchema = z
  .array(
    z.strictObject({
      cidr: cidrSchema,
      description: z
        .string()
        .max(200)
        .nullish()
        .transform((text) => text ?? null),
    }),
  )
  .max(limits.accessRulesPerCluster, `must have at most ${limits.accessRulesPerCluster} rules`);
