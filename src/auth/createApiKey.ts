import { z } from 'zod';
import { type Actor, roles } from '#domain/actor.ts';
import { InvalidInputError } from '#domain/errors.ts';
import { parseInput } from '#domain/parseInput.ts';
import { plainText } from '#domain/plainText.ts';
import { requirePermission } from '#domain/requirePermission.ts';
import type { Bus } from '#events/bus.ts';
import { transact } from '#events/transact.ts';
import type { Clock } from '#lib/time/clock.ts';
import type { Database } from '#store/database.ts';
import { generateApiKey } from './apiKey.ts';

export type ApiKeyDeps = { db: Database; bus: Bus; clock: Clock };

const nameMaxLength = 100;
const createApiKeyInput = z.object({
  name: z.string().trim().min(1, 'A key needs a name.').pipe(plainText(nameMaxLength)),
  role: z.enum(roles),
  expiresAt: z.date().nullable(),
});

/** Makes a key in the actor's project. `plain` is shown this once: only a hash of it is stored. */
export async function createApiKey(
  deps: ApiKeyDeps,
  actor: Actor,
  rawInput: unknown,
): Promise<{ apiKeyId: string; plain: string }> {
  requirePermission(actor, 'createApiKey', 'keys:manage');
  const { name, role, expiresAt } = readInput(rawInput, deps.clock.now());
  const { publicId, plain, secretHash } = generateApiKey();
  const apiKeyId = await transact(deps, actor, async ({ tx, record }) => {
    const { id } = await tx.apiKey.create({
      data: { projectId: actor.projectId, name, role, publicId, secretHash, expiresAt, createdAt: deps.clock.now() },
      select: { id: true },
    });
    record({ type: 'API_KEY_CREATED', payload: { name, role, publicId } });
    return id;
  });
  return { apiKeyId, plain };
}

function readInput(rawInput: unknown, now: Date): z.infer<typeof createApiKeyInput> {
  const input = parseInput(createApiKeyInput, rawInput);
  const { expiresAt } = input;
  if (expiresAt !== null && expiresAt <= now) {
    throw new InvalidInputError([{ path: 'expiresAt', message: `${expiresAt.toISOString()} is in the past.` }]);
  }
  return input;
}
