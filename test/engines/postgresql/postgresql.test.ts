import { describe, expect, test } from 'vitest';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import type { EngineContext } from '#engines/engine.ts';
import { createPostgresql } from '#engines/postgresql/postgresql.ts';
import type { JsonObject } from '#lib/values/json.ts';
import { postgresqlInstance, secrets, type TestInstance, toolchain } from '../../support/postgresqlInstance.ts';

const engine = createPostgresql(toolchain);

describe.skipIf(toolchain.binDirectory('18') === null)('the PostgreSQL strategy', () => {
  test('makes one cluster of empty instances, verifies it, and changes who may connect', {
    timeout: 60_000,
  }, async () => {
    const machines = await Promise.all(
      ['orders-1', 'orders-2', 'orders-3'].map((name) => postgresqlInstance(name, '18')),
    );
    const [first, second, third] = machines;
    if (!first || !second || !third) throw new Error('Three machines are needed.');
    const cluster = clusterOf(machines);
    const context = contextOf(cluster, machines);
    await engine.bootstrap(context, factsOf(first));
    await Promise.all([engine.join(context, factsOf(second)), engine.join(context, factsOf(third))]);
    await engine.verify(context);
    await engine.verify(context);
    expect(await health(cluster, machines)).toEqual({ level: 'HEALTHY', reasons: [] });
    const closed = { ...context, cluster: { ...cluster, accessRules: [] } };
    await Promise.all(machines.map((machine) => engine.applyAccess(closed, factsOf(machine))));
    for (const machine of machines) await expect(machine.query('SELECT 1')).rejects.toThrow('no pg_hba.conf entry');
    await engine.verify(closed);
    await third.run('stop', {});
    await expect(engine.verify(context)).rejects.toMatchObject({ code: 'STOPPED' });
    expect((await health(cluster, machines)).reasons.map(({ code }) => code)).toEqual(['INSTANCE_STOPPED']);
  });

  test('refuses to join where there is no primary', async () => {
    const cluster = { ...clusterOf([]), primaryInstanceId: null };
    const lonely = { id: 'a', name: 'orders-1' } as InstanceFacts;
    await expect(engine.join(contextOf(cluster, []), lonely)).rejects.toMatchObject({ code: 'NO_PRIMARY' });
  });
});

/** The facts as the control plane would store them from the machines' own observations. */
async function health(cluster: ClusterFacts, machines: TestInstance[]) {
  const instances = await Promise.all(
    machines.map(async (machine) => {
      const observation = await machine.side.observe();
      const status = observation.stopped ? ('STOPPED' as const) : ('ACTIVE' as const);
      return { ...factsOf(machine), observation, role: observation.role, status };
    }),
  );
  return engine.health({ ...cluster, instances });
}

function contextOf(cluster: ClusterFacts, machines: TestInstance[]): EngineContext {
  const { signal } = new AbortController();
  return {
    cluster,
    signal,
    waitingFor: () => {},
    async send({ id }, kind, payload) {
      const command = machines.find(({ host }) => host.name === id)?.side.commands[kind];
      if (!command) throw new Error(`No command ${kind} for ${id}`);
      const call = { payload: payload as JsonObject, secrets, progress: () => {}, signal };
      return (await command({
        ...call,
        openStore: () => Promise.reject(new Error('There is no store here')),
      })) as never;
    },
  };
}

function clusterOf(machines: TestInstance[]): ClusterFacts {
  return {
    ...{
      id: 'c',
      projectId: 'p',
      name: 'orders',
      version: 1,
      engine: 'postgresql',
      engineVersion: '18',
      provider: 'local',
    },
    ...{
      lifecycle: 'BUILDING',
      status: 'BUILDING',
      healthLevel: 'UNKNOWN',
      deletionProtection: false,
      synchronous: false,
      failover: { mode: 'MANUAL', maxLagBytes: 0, detectAfterSeconds: 3 },
      currentOperation: null,
    },
    size: { cpuMillis: 1000, memoryMiB: 256, storageGiB: 1 },
    primaryInstanceId: 'orders-1',
    network: { cidr: '127.0.0.0/28', peers: ['127.0.0.1/32'] },
    accessRules: [{ cidr: '127.0.0.1/32', description: null }],
    instances: machines.map(factsOf),
  };
}

function factsOf({ host }: TestInstance): InstanceFacts {
  return {
    ...{ id: host.name, name: host.name, size: host.size, provider: 'local', activity: 'NONE', status: 'ACTIVE' },
    ...{ statusReason: null, role: null, address: host.address, port: host.port, dnsName: null },
    ...{ statusChangedAt: new Date(0), agentLostAt: null, fencedAt: null },
    observedAt: null,
    observation: null,
  };
}
