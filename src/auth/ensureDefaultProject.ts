import type { Database } from '#store/database.ts';
import { generateApiKey } from './apiKey.ts';

export const defaultProjectName = 'default';
export const firstKeyName = 'first admin';

/** What was found or made. `plainKey` is shown this once; null where the project already had a key. */
export type DefaultProject = { projectId: string; plainKey: string | null };

/**
 * An empty store gets a project and an ADMIN key to begin with. Safe to call at each start and by several processes at once:
 * the project's row is locked while its keys are counted.
 */
export async function ensureDefaultProject(db: Database): Promise<DefaultProject> {
  await db.project.createMany({ data: [{ name: defaultProjectName }], skipDuplicates: true });
  return await db.$transaction(async (tx) => {
    await tx.$queryRaw`SELECT id FROM project WHERE name = ${defaultProjectName} FOR UPDATE`;
    const project = await tx.project.findUniqueOrThrow({
      where: { name: defaultProjectName },
      select: { id: true, apiKeys: { select: { id: true }, take: 1 } },
    });
    if (project.apiKeys.length > 0) return { projectId: project.id, plainKey: null };
    const { publicId, plain, secretHash } = generateApiKey();
    await tx.apiKey.create({
      data: { projectId: project.id, name: firstKeyName, role: 'ADMIN', publicId, secretHash },
    });
    return { projectId: project.id, plainKey: plain };
  });
}
