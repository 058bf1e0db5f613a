import type { Actor } from '#domain/actor.ts';
import { InvalidInputError, NotFoundError } from '#domain/errors.ts';
import { requirePermission } from '#domain/requirePermission.ts';
import { transact } from '#events/transact.ts';
import type { Transaction } from '#store/database.ts';
import type { ApiKeyDeps } from './createApiKey.ts';

/** Takes a key of the actor's project back, at once. A key that is already revoked stays so. */
export async function revokeApiKey(
  deps: ApiKeyDeps,
  actor: Actor,
  { apiKeyId }: { apiKeyId: string },
): Promise<{ apiKeyId: string }> {
  requirePermission(actor, 'revokeApiKey', 'keys:manage');
  const now = deps.clock.now();
  await transact(deps, actor, async ({ tx, record, afterCommit }) => {
    await tx.$queryRaw`SELECT id FROM project WHERE id = ${actor.projectId}::uuid FOR NO KEY UPDATE`;
    const key = await tx.apiKey.findUnique({ where: { id: apiKeyId, projectId: actor.projectId } });
    if (key === null) throw new NotFoundError('The API key');
    if (key.revokedAt !== null) return;
    if (key.role === 'ADMIN') await refuseLastAdmin(tx, actor, apiKeyId, now);
    await tx.apiKey.update({ where: { id: apiKeyId }, data: { revokedAt: now }, select: { id: true } });
    record({ type: 'API_KEY_REVOKED', payload: { name: key.name, role: key.role, publicId: key.publicId } });
    afterCommit(() => deps.bus.publish('keys'));
  });
  return { apiKeyId };
}

/** Two administrators who revoked each other's keys would leave a project that nobody can manage: the project's row is locked. */
async function refuseLastAdmin(tx: Transaction, actor: Actor, apiKeyId: string, now: Date): Promise<void> {
  const others = await tx.apiKey.count({
    where: {
      projectId: actor.projectId,
      id: { not: apiKeyId },
      role: 'ADMIN',
      revokedAt: null,
      OR: [{ expiresAt: null }, { expiresAt: { gt: now } }],
    },
  });
  if (others > 0) return;
  throw new InvalidInputError([
    { path: 'apiKeyId', message: 'It is the last ADMIN key of the project. Create another one before you revoke it.' },
  ]);
}
