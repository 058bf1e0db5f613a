import { isStoreUnavailable } from '#store/storeUnavailable.ts';
import { backupPolicies } from './backupPolicies.ts';
import { type EventRetention, eventRetention } from './eventRetention.ts';
import { failedBackups } from './failedBackups.ts';
import { instancePresence } from './instancePresence.ts';
import { lateOperations } from './lateOperations.ts';
import { holdLease, releaseLease } from './lease.ts';
import { lostPrimaries } from './lostPrimaries.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';
import { silentInstances } from './silentInstances.ts';
import { strayInstances } from './strayInstances.ts';
import { unfinishedRemovals } from './unfinishedRemovals.ts';

const leaseTtlMs = 5000;

/** Runs every monitor until `close`, each in its own rhythm and in one process at a time. */
export function startMonitors(
  deps: MonitorDeps,
  { soleProcess, retention }: { soleProcess: boolean; retention: EventRetention },
): { close(): Promise<void> } {
  const monitors = [
    silentInstances(deps),
    instancePresence(deps),
    lateOperations(deps),
    lostPrimaries(deps),
    strayInstances(deps),
    backupPolicies(deps),
    failedBackups(deps),
    unfinishedRemovals(deps),
    eventRetention({ ...deps, retention }),
  ];
  const closing = new AbortController();
  const loops = monitors.map((monitor) => watch(deps, monitor, { soleProcess, closing: closing.signal }));
  return {
    async close() {
      closing.abort();
      await Promise.all(loops);
    },
  };
}

type Watch = { soleProcess: boolean; closing: AbortSignal };

async function watch(deps: MonitorDeps, monitor: Monitor, { soleProcess, closing }: Watch): Promise<void> {
  const lease = { name: `monitor:${monitor.name}`, holder: deps.workerId };
  let takeOver = soleProcess;
  while (!closing.aborted) {
    try {
      if (await holdLease(deps.db, { ...lease, ttlMs: leaseTtlMs }, { takeOver })) await monitor.round();
      takeOver = false;
    } catch (error) {
      const level = isStoreUnavailable(error) ? 'debug' : 'error';
      deps.logger[level]({ err: error, monitor: monitor.name }, 'a round of a monitor failed');
    }
    await pause(monitor.everyMs, closing);
  }
  await releaseLease(deps.db, lease).catch(() => {});
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
