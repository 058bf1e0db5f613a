import type { Database } from '#store/database.ts';
import { generateApiKey } from './apiKey.ts';

export const defaultProjectName = 'default';
const firstKeyName = 'first admin';

/**
 * An empty store gets a project and an ADMIN key to begin with. Safe to call at each start and by several processes at once:
 * the project's row is locked while its keys are counted.
 * @param keep writes the key, which is shown this once, where its owner finds it. Called before the key counts: if it fails, or the
 * process ends, the next start makes another.
 */
export async function ensureDefaultProject(db: Database, keep: (plainKey: string) => Promise<void>): Promise<void> {
  await db.project.createMany({ data: [{ name: defaultProjectName }], skipDuplicates: true });
  await db.$transaction(async (tx) => {
    await tx.$queryRaw`SELECT id FROM project WHERE name = ${defaultProjectName} FOR UPDATE`;
    const project = await tx.project.findUniqueOrThrow({
      where: { name: defaultProjectName },
      select: { id: true, apiKeys: { select: { id: true }, take: 1 } },
    });
    if (project.apiKeys.length > 0) return;
    const { publicId, plain, secretHash } = generateApiKey();
    await keep(plain);
    await tx.apiKey.create({
      data: { projectId: project.id, name: firstKeyName, role: 'ADMIN', publicId, secretHash },
    });
  });
}
