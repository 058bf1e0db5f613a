import { z } from 'zod';
import { limits, namePattern } from '#domain/limits.ts';

/** Pieces of input that several operations share. */

export const nameSchema = z
  .string()
  .max(limits.nameMaxLength, `has at most ${limits.nameMaxLength} characters`)
  .regex(namePattern, 'has only a-z, 0-9 and inner hyphens, and begins with a letter');

export const clusterIdSchema = z.uuid();

const bounded = ({ minimum, maximum }: { minimum: number; maximum: number }) =>
  z.int().min(minimum, `is at least ${minimum}`).max(maximum, `is at most ${maximum}`);

export const instanceSizeSchema = z.strictObject({
  cpuMillis: bounded(limits.cpuMillis),
  memoryMiB: bounded(limits.memoryMiB),
  storageGiB: bounded(limits.storageGiB),
});

const cidrSchema = z.union([z.cidrv4(), z.cidrv6()], 'is a network in CIDR notation, like 10.0.0.0/8');

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
  .max(limits.accessRulesPerCluster, `has at most ${limits.accessRulesPerCluster} rules`);
