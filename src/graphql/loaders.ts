import DataLoader from 'dataloader';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { type AllowedAction, allowedActions } from '#operations/allowedActions.ts';
import { loadClusterFacts } from '#operations/clusterFacts.ts';
import type { OperationDeps } from '#operations/deps.ts';

export type InstancePlace = { clusterId: string; host: string; port: number };

export type Loaders = {
  /** What can be done to the cluster of this id now. */
  allowedActions: DataLoader<string, AllowedAction[]>;
  /** The id of the instance that listens there. Null: none of the cluster's. */
  instanceIdAt: DataLoader<InstancePlace, string | null>;
};

type LoaderDeps = Pick<OperationDeps, 'db' | 'engines'>;

/**
 * Statements for many parents at once. They keep nothing: a subscription's context lives long, and its answers must be new. Made when
 * they are first used, since most subscriptions, of which there may be thousands, use none.
 */
export function createLoaders(deps: LoaderDeps, projectId: string): Loaders {
  let actions: Loaders['allowedActions'] | null = null;
  let instanceIds: Loaders['instanceIdAt'] | null = null;
  return {
    get allowedActions() {
      actions ??= new DataLoader((ids) => loadAllowedActions(deps, projectId, ids), { cache: false });
      return actions;
    },
    get instanceIdAt() {
      instanceIds ??= new DataLoader((places) => loadInstanceIds(deps, projectId, places), { cache: false });
      return instanceIds;
    },
  };
}

async function loadAllowedActions(
  { db, engines }: LoaderDeps,
  projectId: string,
  ids: readonly string[],
): Promise<AllowedAction[][]> {
  const facts = await loadClusterFacts(db, { id: { in: [...new Set(ids)] }, projectId });
  const actionsById = new Map(
    facts.map((cluster) => {
      const engine = assertPresent(engines[cluster.engine], `engine ${cluster.engine}`);
      return [cluster.id, allowedActions({ cluster, engine })];
    }),
  );
  return ids.map((id) => actionsById.get(id) ?? []);
}

async function loadInstanceIds(
  { db }: LoaderDeps,
  projectId: string,
  places: readonly InstancePlace[],
): Promise<(string | null)[]> {
  const clusterIds = [...new Set(places.map(({ clusterId }) => clusterId))];
  const instances = await db.instance.findMany({
    where: { projectId, clusterId: { in: clusterIds }, removedAt: null },
    select: { id: true, clusterId: true, address: true, dnsName: true, port: true },
  });
  return places.map(({ clusterId, host, port }) => {
    const found = instances.find(
      (instance) =>
        instance.clusterId === clusterId &&
        instance.port === port &&
        (instance.address === host || instance.dnsName === host),
    );
    return found?.id ?? null;
  });
}
