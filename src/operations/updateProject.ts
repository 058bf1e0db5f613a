import { z } from 'zod';
import type { Actor } from '#domain/actor.ts';
import { limits } from '#domain/limits.ts';
import { parseInput } from '#domain/parseInput.ts';
import { requirePermission } from '#domain/requirePermission.ts';
import { transact } from '#events/transact.ts';
import type { OperationDeps } from './deps.ts';

/** Left out: it stays. Null: the limit of the configuration again. */
const limit = z.int().min(0, 'must be at least 0').max(limits.quota, `must be at most ${limits.quota}`).nullish();

const inputSchema = z.strictObject({
  quota: z
    .strictObject({ instances: limit, storageGiB: limit, backups: limit })
    .refine((given) => Object.values(given).some((value) => value !== undefined), 'must say which limit to change'),
});

/**
 * Sets how much the actor's project may have. Nothing is taken away where a limit is set below what is used: then nothing more is
 * accepted until it fits.
 */
export async function updateProject(
  deps: Pick<OperationDeps, 'db' | 'bus' | 'clock'>,
  actor: Actor,
  rawInput: unknown,
): Promise<{ projectId: string }> {
  requirePermission(actor, 'updateProject', 'quota:manage');
  const { quota } = parseInput(inputSchema, rawInput);
  const { projectId } = actor;
  await transact(deps, actor, async ({ tx, record }) => {
    const { quotaInstances, quotaStorageGiB, quotaBackups } = await tx.project.update({
      where: { id: projectId },
      data: {
        ...(quota.instances === undefined ? {} : { quotaInstances: quota.instances }),
        ...(quota.storageGiB === undefined ? {} : { quotaStorageGiB: quota.storageGiB }),
        ...(quota.backups === undefined ? {} : { quotaBackups: quota.backups }),
      },
    });
    const now = { instances: quotaInstances, storageGiB: quotaStorageGiB, backups: quotaBackups };
    record({ type: 'PROJECT_UPDATED', payload: { quota: now } });
  });
  return { projectId };
}
