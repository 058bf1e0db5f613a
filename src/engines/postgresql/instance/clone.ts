import { chown, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseError } from 'pg';
import { systemFault } from '#lib/faults/systemFault.ts';
import { withoutPaths } from '#lib/faults/withoutPaths.ts';
import { replaceFile } from '#lib/files/replaceFile.ts';
import { syncPath } from '#lib/files/syncPath.ts';
import { type CommandCall, CommandFailure } from '../../instanceSide.ts';
import type { PostgresqlCommands } from '../commands.ts';
import { replicatorRole } from '../roles.ts';
import { baseBackup, DamagedBackup } from './baseBackup.ts';
import { inMebibytes } from './inMebibytes.ts';
import type { PostgresqlInstance } from './postgresqlInstance.ts';
import { ForeignTablespace } from './receiveBaseBackup.ts';
import { resume } from './resume.ts';

type Clone = PostgresqlCommands['clone'];

const streamsWithinMs = 60_000;
const pollMs = 20;

/** Makes an empty instance a streaming replica of the primary. What an interrupted run left is thrown away and made again. */
export async function clone(
  instance: PostgresqlInstance,
  input: Clone['input'],
  call: CommandCall,
): Promise<Clone['result']> {
  if (input.replace !== true && (await instance.exists()) && !(await instance.isStandby())) {
    // Its data may be the only copy.
    throw new CommandFailure(
      'NOT_EMPTY',
      `Instance ${instance.host.name} has a primary's data, which a copy would replace.`,
    );
  }
  const isCopy = input.replace !== true && (await followsAlready(instance, input));
  const copied = isCopy ? { bytes: 0, files: 0 } : await copy(instance, input, call);
  const following = {
    wanted: 'running',
    upstream: { ...input.primary, slotName: input.slotName },
    access: input.access,
    synchronousStandbys: [],
    promotions: input.promotions,
    stoppingSince: null,
  } as const;
  await instance.assumeState(following);
  call.progress('starting the server');
  await instance.ensureServing(call);
  // Only now: the first start of a copy makes it durable (recovery_init_sync_method) before anything else. A copy that no state speaks of is made again.
  await instance.changeState(following);
  await instance.liftFence();
  call.progress('waiting until it streams from the primary');
  await streams(instance, call.signal);
  return copied;
}

/** True if an earlier run of the same command had its copy whole. */
async function followsAlready(instance: PostgresqlInstance, { primary, slotName }: Clone['input']): Promise<boolean> {
  const { upstream } = await instance.state();
  if (upstream === null || !(await instance.isStandby())) return false;
  if (upstream.host !== primary.host || upstream.port !== primary.port || upstream.slotName !== slotName) return false;
  if (instance.supervisor.pid === null) return true;
  // A copy that runs and does not stream has lost its place in the primary's WAL.
  return streams(instance, AbortSignal.timeout(5000)).then(
    () => true,
    () => false,
  );
}

/** The data that the instance has stay until the copy is whole: where that fails, or the primary is lost, they may be all that is left. */
async function copy(instance: PostgresqlInstance, input: Clone['input'], call: CommandCall): Promise<Clone['result']> {
  const { layout } = instance;
  call.progress('copying the primary');
  await restOn(instance);
  await instance.supervisor.stop();
  const copied = await copyBeside(instance, input, call).catch(async (error: unknown) => {
    await rm(layout.unfinishedData, { recursive: true, force: true });
    // An agent that ends leaves that to the next one.
    if (!call.signal.aborted) await resume(instance);
    throw error;
  });
  await instance.changeState({ wanted: 'none', upstream: null });
  await rm(layout.data, { recursive: true, force: true });
  await rename(layout.unfinishedData, layout.data);
  await syncPath(layout.directory);
  return copied;
}

/** No server runs on the data meanwhile, which would use up the WAL that its slot holds back. A primary's never again by itself. */
async function restOn(instance: PostgresqlInstance): Promise<void> {
  if ((await instance.state()).wanted === 'none') return;
  if (!(await instance.isStandby())) await instance.changeState({ wanted: 'stopped' });
  await instance.assumeState({ wanted: 'stopped', upstream: null });
}

/** Into a directory beside, durable but for its name. */
async function copyBeside(
  instance: PostgresqlInstance,
  { primary }: Clone['input'],
  call: CommandCall,
): Promise<Clone['result']> {
  const { layout, host } = instance;
  await rm(layout.unfinishedData, { recursive: true, force: true });
  await mkdir(layout.unfinishedData, { mode: 0o700 });
  if (host.serverUser !== null) await chown(layout.unfinishedData, host.serverUser.uid, host.serverUser.gid);
  const copied = await baseBackup({
    from: primary,
    password: await instance.secret(replicatorRole),
    applicationName: host.name,
    into: layout.unfinishedData,
    owner: host.serverUser,
    onProgress: (received, total) => call.progress(`copied ${inMebibytes(received)} of ${inMebibytes(total)} MiB`),
    signal: call.signal,
  }).catch((error: unknown) => {
    throw copyFailure(error, instance, primary);
  });
  await replaceFile(join(layout.unfinishedData, 'standby.signal'), '', { owner: host.serverUser });
  await syncPath(layout.unfinishedData);
  return copied;
}

function copyFailure(error: unknown, { host }: PostgresqlInstance, primary: Clone['input']['primary']): CommandFailure {
  const what = `The copy of ${primary.host}:${primary.port} to ${host.name} failed`;
  const reason = systemFault(error)?.message ?? withoutPaths(error instanceof Error ? error.message : String(error));
  if (error instanceof DamagedBackup) {
    return new CommandFailure('BACKUP_DAMAGED', `${what}: ${reason}`, { retryable: true, cause: error });
  }
  if (error instanceof ForeignTablespace)
    return new CommandFailure('TABLESPACES', `${what}: ${reason}`, { cause: error });
  const refused = error instanceof DatabaseError && error.code?.startsWith('28') === true;
  return new CommandFailure(refused ? 'SIGN_IN_REFUSED' : 'COPY_FAILED', `${what}: ${reason}`, {
    retryable: !refused,
    cause: error,
  });
}

async function streams(instance: PostgresqlInstance, signal: AbortSignal): Promise<void> {
  await instance.withAdmin(async (client) => {
    const deadline = performance.now() + streamsWithinMs;
    for (;;) {
      const { rows } = await client.query<{ status: string }>('SELECT status FROM pg_stat_wal_receiver');
      if (rows[0]?.status === 'streaming') return;
      signal.throwIfAborted();
      if (performance.now() > deadline) {
        throw new CommandFailure(
          'NOT_STREAMING',
          `${instance.host.name} does not stream from its primary: ${rows[0]?.status ?? 'it is not connected'}.`,
          { retryable: true },
        );
      }
      // A standby announces nothing when its receiver begins.
      await delay(pollMs, undefined, { signal });
    }
  });
}
