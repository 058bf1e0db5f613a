import { describe, expect, test } from 'vitest';
import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import type { StepFailure } from '#domain/stepFailure.ts';
import type { EngineContext } from '#engines/engine.ts';
import { abandonedSlots, leave, release } from '#engines/postgresql/leave.ts';
import { restartOrder } from '#engines/postgresql/restart.ts';
import { slotName } from '#engines/postgresql/slotName.ts';
import type { InstanceStatus } from '#generated/prisma/enums.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';

const [first, second, third, gone] = [1, 2, 3, 4].map((n) => `01a20386-7795-70c0-a9fb-97c95670300${n}`) as [
  string,
  string,
  string,
  string,
];

const slot = (name: string) => ({ name, active: false, walStatus: 'reserved', retainedBytes: 0 });

function instance(id: string, status: InstanceStatus, slots: string[] = []): InstanceFacts {
  return {
    ...{ id, name: id.slice(-1), size: { cpuMillis: 1, memoryMiB: 1, storageGiB: 1 }, provider: 'local' },
    ...{ activity: 'NONE', status, statusReason: null, role: null, address: null, port: null, dnsName: null },
    ...{ statusChangedAt: new Date(0), observedAt: null, agentLostAt: null, fencedAt: null },
    observation: {
      ...{ at: '', serving: true, reason: null, role: null, stopped: false, startedAt: null, connections: null },
      ...{ storageUsedBytes: null, replication: null, followerStates: [], lastPosition: null },
      engine: { systemIdentifier: '1', slots: slots.map(slot) },
    },
  };
}

const clusterOf = (instances: InstanceFacts[]) =>
  ({ name: 'orders', primaryInstanceId: first, instances }) as ClusterFacts;

/** What a leave sends to whom. */
async function sent(
  cluster: ClusterFacts,
  leaving: InstanceFacts,
  { call = leave, reached = true } = {},
): Promise<unknown[]> {
  const commands: unknown[] = [];
  const context = {
    cluster,
    send: async ({ id }: InstanceFacts, kind: string, payload: object) => {
      commands.push([id, kind, payload]);
      return { reached };
    },
  } as unknown as EngineContext;
  await call(context, leaving).catch((error: StepFailure) => commands.push(error.code));
  return commands;
}

describe('an instance that leaves a PostgreSQL cluster', () => {
  test('has its slot dropped on the primary, and with it those that were left by others; foreign slots stay', async () => {
    const slots = [second, third, gone].map(slotName).concat('grove_backup_1', 'customers_own');
    const cluster = clusterOf([
      instance(first, 'ACTIVE', slots),
      instance(second, 'DRAINING'),
      instance(third, 'DOWN'),
    ]);
    expect(await sent(cluster, instance(second, 'DRAINING'))).toEqual([
      [first, 'dropSlots', { slotNames: [slotName(second), slotName(gone)] }],
    ]);
  });

  describe('that is synchronous', () => {
    const cluster = {
      ...clusterOf([instance(first, 'ACTIVE'), instance(second, 'DRAINING'), instance(third, 'ACTIVE')]),
      synchronous: true,
    };
    const shortened = [first, 'setSynchronous', { synchronousStandbys: [instance(third, 'ACTIVE').name] }];
    const covered = [first, 'awaitSynchronous', { withinMs: 30_000 }];

    test('goes once a replica that stays has what it may have acknowledged', async () => {
      expect(await sent(cluster, instance(second, 'DRAINING'), { call: release })).toEqual([shortened, covered]);
    });

    test.each([
      ['DOWN', [[first, 'setSynchronous', shortened[2]], covered]],
      ['ERROR', [[first, 'setSynchronous', shortened[2]], covered]],
    ] as const)('goes by what the primary’s server does, not by its status, as here %s', async (status, commands) => {
      const [, ...replicas] = cluster.instances;
      const instances = [instance(first, status), ...replicas];
      expect(await sent({ ...cluster, instances }, instance(second, 'DRAINING'), { call: release })).toEqual(commands);
    });

    test('stays while the primary does not serve, which alone could tell, unless it has never had a server', async () => {
      const primary = instance(first, 'DOWN');
      const down = { ...primary, observation: { ...assertPresent(primary.observation, 'it'), serving: false } };
      const [, ...replicas] = cluster.instances;
      const gone = { ...cluster, instances: [down, ...replicas] };
      const leaving = instance(second, 'DRAINING');
      const served = {
        ...leaving,
        observation: { ...assertPresent(leaving.observation, 'it'), role: 'REPLICA' as const },
      };
      expect(await sent(gone, served, { call: release })).toEqual(['WRITES_NOT_COVERED']);
      expect(await sent(gone, leaving, { call: release })).toEqual([]);
    });

    test('stays where none has: commits wait for it again, and its slot is kept', async () => {
      const names = [second, third].map((id) => instance(id, 'ACTIVE').name);
      expect(await sent(cluster, instance(second, 'DRAINING'), { call: release, reached: false })).toEqual([
        shortened,
        covered,
        [first, 'setSynchronous', { synchronousStandbys: names }],
        'WRITES_NOT_COVERED',
      ]);
    });
  });

  test.each(['DOWN', 'STOPPED', 'UNREACHABLE', 'ERROR'] as const)(
    'asks nothing of a primary that is %s: it may never answer',
    async (status) => {
      const cluster = clusterOf([instance(first, status), instance(second, 'DRAINING')]);
      expect(await sent(cluster, instance(second, 'DRAINING'))).toEqual([]);
    },
  );

  test('leaves no slot behind that its primary was seen to have, once the group changes again', () => {
    const primary = instance(first, 'ACTIVE', [slotName(gone), slotName(second)]);
    expect(abandonedSlots(clusterOf([primary, instance(second, 'ACTIVE')]), primary)).toEqual([slotName(gone)]);
    expect(abandonedSlots(clusterOf([primary]), { ...primary, observation: null })).toEqual([]);
  });
});

describe('the order of a rolling restart', () => {
  const ids = (instances: InstanceFacts[]) => restartOrder(clusterOf(instances)).map(({ id }) => id);

  test('has the primary last, so that writes stop once and shortly', () => {
    expect(ids([instance(first, 'ACTIVE'), instance(second, 'ACTIVE'), instance(third, 'DOWN')])).toEqual([
      second,
      third,
      first,
    ]);
  });

  test('has it first where it does not serve: there is nobody to follow before', () => {
    expect(ids([instance(second, 'ACTIVE'), instance(first, 'DOWN')])).toEqual([first, second]);
  });

  test('is of those that are chosen', () => {
    expect(ids([instance(second, 'ACTIVE'), instance(third, 'ACTIVE')])).toEqual([second, third]);
  });
});
