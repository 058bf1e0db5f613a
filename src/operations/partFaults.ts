import { restoreAnother } from '#domain/backupErrors.ts';
import type { BackupFacts, BackupPartFacts } from '#domain/backupFacts.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import { loadBackupFacts } from './backupFacts.ts';
import { checkStoredPart, damagedPart, findStoredPart, missingPart } from './checkStoredPart.ts';
import type { OperationDeps } from './deps.ts';
import type { StepContext } from './operation.ts';

/** How long a request may look for parts that were missing, in milliseconds. */
const lookWithinMs = 5000;
/** How long the parts next to a faulty one are read to name all that are, in milliseconds. */
const readOthersWithinMs = 30_000;

type Look = Pick<StepContext, 'backups' | 'signal'>;
type Part = Pick<BackupPartFacts, 'id' | 'instanceName' | 'location' | 'bytes' | 'sha256' | 'fault'>;
type FaultyPart = { part: Part; failure: StepFailure };

/** What a step's failure says of the file of a part. Null: nothing. */
function faultOf(error: unknown): BackupPartFacts['fault'] {
  if (!(error instanceof StepFailure)) return null;
  if (error.code === missingPart) return 'MISSING';
  return error.code === damagedPart ? 'DAMAGED' : null;
}

/**
 * Before anything is made: each part is in the store, with its size. One that was found damaged before is read whole. What is found is
 * recorded, also where a fault is gone. Throws a StepFailure that names every part at fault.
 */
export async function findParts(context: StepContext): Promise<null> {
  const { name, parts } = await backupOf(context);
  const looks = parts.map(async (part) => {
    const look = part.fault === 'DAMAGED' ? checkStoredPart : findStoredPart;
    return await failureOf(part, () => look(context, part.instanceName, part));
  });
  const faulty = (await Promise.all(looks)).flatMap((found) => found ?? []);
  const whole = parts.filter(({ id, fault }) => fault !== null && !faulty.some(({ part }) => part.id === id));
  await clearFaults(context, whole);
  await refuseFaulty(context, name, faulty);
  return null;
}

/** What is found wrong with a part's file is recorded, and what is wrong with the others' too: the next restore is refused at once. */
export async function noteFault<T>(context: StepContext, partId: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StepFailure) || faultOf(error) === null) throw error;
    const { name, parts } = await backupOf(context);
    const faulty = await Promise.all(
      parts.map(async (part) => (part.id === partId ? { part, failure: error } : await faultOfAnother(context, part))),
    );
    await refuseFaulty(
      context,
      name,
      faulty.flatMap((found) => found ?? []),
    );
    throw error;
  }
}

/** Null: it is whole, or that could not be told in time. */
async function faultOfAnother({ backups, signal }: StepContext, part: Part): Promise<FaultyPart | null> {
  const limited = { backups, signal: AbortSignal.any([signal, AbortSignal.timeout(readOthersWithinMs)]) };
  try {
    return await failureOf(part, () => checkStoredPart(limited, part.instanceName, part));
  } catch {
    signal.throwIfAborted();
    return null;
  }
}

/** Throws what is no fault of the part. */
async function failureOf(part: Part, look: () => Promise<unknown>): Promise<FaultyPart | null> {
  try {
    await look();
    return null;
  } catch (error) {
    if (!(error instanceof StepFailure) || faultOf(error) === null) throw error;
    return { part, failure: error };
  }
}

async function clearFaults({ change }: Pick<StepContext, 'change'>, parts: readonly Part[]): Promise<void> {
  if (parts.length === 0) return;
  const where = { id: { in: parts.map(({ id }) => id) } };
  await change(({ tx }) => tx.instanceBackup.updateMany({ where, data: { fault: null } }));
}

/** Records the faults and throws one failure for all of them. */
async function refuseFaulty(
  { change }: Pick<StepContext, 'change'>,
  backup: string,
  faulty: readonly FaultyPart[],
): Promise<void> {
  const [first] = faulty;
  if (!first) return;
  await change(async ({ tx }) => {
    for (const { part, failure } of faulty) {
      await tx.instanceBackup.update({ where: { id: part.id }, data: { fault: faultOf(failure) } });
    }
  });
  const found = faulty.map(({ failure }) => failure.message).join(' ');
  throw new StepFailure(first.failure.code, `Backup "${backup}" cannot be restored. ${found} ${restoreAnother}`, {
    retryable: faulty.every(({ failure }) => failure.retryable),
    cause: first.failure,
  });
}

/** The backup that the cluster is made from. */
async function backupOf({ change, cluster }: StepContext): Promise<BackupFacts> {
  return await change(async ({ tx }) => {
    const { restoredFromId } = await tx.cluster.findUniqueOrThrow({
      where: { id: cluster.id },
      select: { restoredFromId: true },
    });
    const backup = restoredFromId === null ? null : await loadBackupFacts(tx, { id: restoredFromId });
    if (!backup) throw new Error(`cluster ${cluster.name} is made from no backup`);
    return backup;
  });
}

/** The parts as they are now: those known as missing are looked for. Where the store does not answer in time they stay as known. */
export async function partsNow(
  { backups }: Pick<OperationDeps, 'backups'>,
  { parts }: BackupFacts,
): Promise<BackupPartFacts[]> {
  const look: Look = { backups, signal: AbortSignal.timeout(lookWithinMs) };
  return await Promise.all(
    parts.map(async (part) => {
      if (part.fault !== 'MISSING') return part;
      try {
        await findStoredPart(look, part.instanceName, part);
        return { ...part, fault: null };
      } catch (error) {
        return { ...part, fault: faultOf(error) ?? part.fault };
      }
    }),
  );
}

/**
 * Before a request that restores a backup is judged: a part that was missing and is back bars it no longer. Outside of its transaction,
 * since the store is asked; a backup without such a part costs one read.
 */
export async function lookAgain(
  { db, backups }: Pick<OperationDeps, 'db' | 'backups'>,
  where: { id: string; projectId: string },
): Promise<void> {
  const backup = await loadBackupFacts(db, { ...where, deletedAt: null });
  if (!backup?.parts.some(({ fault }) => fault === 'MISSING')) return;
  for (const { id, fault } of await partsNow({ backups }, backup)) {
    await db.instanceBackup.updateMany({ where: { id, fault: 'MISSING' }, data: { fault } });
  }
}
