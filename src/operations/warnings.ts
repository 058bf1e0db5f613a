import type { BackupFacts } from '#domain/backupFacts.ts';
import type { AccessRule, ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { isFormerPrimary } from '#domain/promotion.ts';
import type { Warning } from '#domain/warning.ts';
import type { PromotionMode } from '#engines/engine.ts';
import type { Facts } from './operation.ts';

/** The data goes with the cluster; its backups stay. */
export function dataLoss({ name, instances }: ClusterFacts): Warning[] {
  if (!instances.some(({ address }) => address !== null)) return [];
  const message = `The data of cluster "${name}" goes with it: only a backup that was taken before brings it back.`;
  return [{ code: 'DATA_LOSS', message }];
}

/** What a backup has goes with its files; whether anything else has it too is not compared. */
export function backupLoss(
  { name, clusterName }: Pick<BackupFacts, 'name' | 'clusterName'>,
  { isLast, isClusterGone }: { isLast: boolean; isClusterGone: boolean },
): Warning {
  const which = isLast ? `It is the last completed backup of cluster "${clusterName}"` : null;
  const gone = isClusterGone ? `cluster "${clusterName}" itself is deleted` : null;
  const besides = [which, gone].filter((said) => said !== null).join(', and ');
  const what = `The data in backup "${name}" go with its files, for good.`;
  const message = besides === '' ? what : `${what} ${besides.slice(0, 1).toUpperCase()}${besides.slice(1)}.`;
  return { code: 'DATA_LOSS', message };
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

/** Commits can wait for a replica only where there is one. */
export function nobodyToWaitFor({ name, instances }: ClusterFacts, synchronous: boolean): Warning[] {
  if (!synchronous || instances.length > 1) return [];
  const message = `Cluster "${name}" has no replica: with synchronous its commits wait for nobody until it has one.`;
  return [{ code: 'NO_EFFECT', message }];
}

type AskedPromotion = {
  mode: PromotionMode;
  instanceId?: string | null | undefined;
  acceptDataLoss?: boolean | null | undefined;
};

/** What a promotion may cost, and what was accepted for nothing. */
export function promotionRisks(facts: Facts, { mode, instanceId, acceptDataLoss }: AskedPromotion): Warning[] {
  const { name, instances } = facts.cluster;
  const target = instances.find(({ id }) => id === instanceId);
  if (target && mode === 'FAILOVER' && isFormerPrimary(facts.cluster, target)) return [goesBack(name, target)];
  const idle = acceptDataLoss === true ? acceptedInVain({ mode }) : [];
  return [...(mode === 'FAILOVER' ? writesMayBeLost(facts) : []), ...idle];
}

function goesBack(cluster: string, { name }: InstanceFacts): Warning {
  const message = `${name} takes writes again where it ended as the primary: what cluster "${cluster}" acknowledged after that is lost.`;
  return { code: 'WRITES_MAY_BE_LOST', message };
}

/** A synchronous cluster all of whose replicas are seen has every acknowledged write on one of them. */
function writesMayBeLost({ cluster, engine }: Facts): Warning[] {
  const unseen = cluster.synchronous ? (engine.promotion?.unseen(cluster) ?? []) : [];
  if (cluster.synchronous && unseen.length === 0) return [];
  const why = cluster.synchronous
    ? `${unseen.join(', ')} may have writes that no other replica has`
    : 'its replication is asynchronous, and writes that have reached no replica are lost';
  return [
    { code: 'WRITES_MAY_BE_LOST', message: `Acknowledged writes of cluster "${cluster.name}" may be lost: ${why}.` },
  ];
}

function acceptedInVain({ mode }: { mode: PromotionMode }): Warning[] {
  if (mode === 'FAILOVER') return [];
  return [{ code: 'NO_EFFECT', message: 'acceptDataLoss changes nothing: a promotion of mode PLANNED loses nothing.' }];
}
