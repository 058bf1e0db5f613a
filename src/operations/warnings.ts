import type { AccessRule, ClusterFacts } from '#domain/facts.ts';
import type { Warning } from '#domain/warning.ts';

/** The data goes with the cluster. */
export function dataLoss({ name, instances }: ClusterFacts): Warning[] {
  if (!instances.some(({ address }) => address !== null)) return [];
  const message = `The data of cluster "${name}" goes with it, and Grove has no backup of it: it cannot be brought back.`;
  return [{ code: 'DATA_LOSS', message }];
}

/** Rules that name nobody shut everybody out. */
export function nobodyMayConnect({ name }: ClusterFacts, rules: readonly AccessRule[]): Warning[] {
  if (rules.length > 0) return [];
  const message = `The access rules are empty: no client may connect to cluster "${name}", from this host neither.`;
  return [{ code: 'NOBODY_MAY_CONNECT', message }];
}

/** Sessions from networks that are let in no longer are ended. */
export function sessionsEnd({ name, accessRules }: ClusterFacts, rules: readonly AccessRule[]): Warning[] {
  const kept = new Set(rules.map(({ cidr }) => cidr));
  const gone = accessRules.map(({ cidr }) => cidr).filter((cidr) => !kept.has(cidr));
  if (gone.length === 0) return [];
  const message = `Sessions with cluster "${name}" that only ${gone.join(', ')} let in are ended.`;
  return [{ code: 'SESSIONS_END', message }];
}

/** One instance has nobody to take over from it. */
export function singleInstance({ name, instances }: ClusterFacts): Warning[] {
  if (instances.length !== 1) return [];
  const message = `Cluster "${name}" has one instance: while its server is away nothing serves, and no other has its data.`;
  return [{ code: 'NO_FAILOVER_TARGET', message }];
}
