import { InstanceNotPromotableError, NoPrimaryError, PrimaryHealthyError } from '#domain/errors.ts';
import type { ClusterFacts } from '#domain/facts.ts';
import { isFormerPrimary, isHealthy, wantedPrimary } from '#domain/promotion.ts';
import type { Candidate, Promotion } from '#engines/engine.ts';
import type { FakeMachines } from './fakeMachines.ts';

const replicasOf = (cluster: ClusterFacts) => cluster.instances.filter(({ id }) => id !== wantedPrimary(cluster)?.id);

type FakePromotionDeps = {
  called(call: string, signal?: AbortSignal): Promise<void>;
  observe: FakeMachines['observe'];
};

/** The promotion of fake machines: whoever is a healthy replica can take over, and each call changes what is observed. */
export function fakePromotion({ called, observe }: FakePromotionDeps): Promotion {
  const candidates = (cluster: ClusterFacts): Candidate[] =>
    replicasOf(cluster)
      .filter(isHealthy)
      .map((instance) => ({ instance, lagBytes: 0 }));
  return {
    candidates,
    unseen: (cluster) =>
      cluster.synchronous
        ? replicasOf(cluster)
            .filter((one) => !isHealthy(one))
            .map(({ name }) => name)
        : [],
    blockers(cluster, { mode, target, acceptDataLoss }) {
      const primary = wantedPrimary(cluster);
      const healthy = primary !== undefined && isHealthy(primary);
      if (mode === 'PLANNED' && !healthy) return [new NoPrimaryError(cluster.name)];
      if (mode === 'FAILOVER' && healthy) return [new PrimaryHealthyError(cluster.name, primary.name)];
      if (target && acceptDataLoss && isFormerPrimary(cluster, target)) return [];
      const fit = candidates(cluster).filter(({ instance }) => target === null || instance.id === target.id);
      return fit.length > 0 ? [] : [new InstanceNotPromotableError('Nobody is fit.', 'NO_CANDIDATE')];
    },
    prepare: ({ signal }, { from, to }) => called(`prepare ${from.name} to ${to.name}`, signal),
    makeReady: ({ signal }, { name }) => called(`ready ${name}`, signal),
    async demote({ signal }, { id, name }) {
      await called(`demote ${name}`, signal);
      await observe(id, { serving: false, stopped: true, role: 'PRIMARY' });
      return { clean: true, position: '0/1', tookMs: 1 };
    },
    async promote({ signal }, { id, name }) {
      await called(`promote ${name}`, signal);
      await observe(id, { role: 'PRIMARY' });
      return { promoted: true, tookMs: 1 };
    },
    async giveBack({ signal }, { from }) {
      await called(`give back ${from.name}`, signal);
      await observe(from.id, { role: 'PRIMARY' });
    },
    async elect({ signal, cluster }, { target }) {
      await called('elect', signal);
      const chosen = target ?? candidates(cluster)[0]?.instance;
      return chosen
        ? { instanceId: chosen.id, lossBytes: 7, resumes: isFormerPrimary(cluster, chosen) }
        : { instanceId: null, reason: 'Nobody answered.' };
    },
    async resume({ signal }, { id, name }) {
      await called(`resume ${name}`, signal);
      await observe(id, { role: 'PRIMARY' });
    },
    stray: (cluster, { id, observation }) =>
      id !== wantedPrimary(cluster)?.id && observation?.role === 'PRIMARY' ? 'it has the data of a primary' : null,
    async rejoin({ signal }, { id, name }) {
      await called(`rejoin ${name}`, signal);
      await observe(id, { role: 'REPLICA' });
      return { how: 'ATTACHED', discardedBytes: 0 };
    },
  };
}
