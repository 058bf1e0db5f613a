import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { BackupStore } from '#backups/backupStore.ts';
import { fingerprintOf } from '#backups/fingerprint.ts';
import type { Observation } from '#domain/observation.ts';
import type { Engine } from '#engines/engine.ts';
import type { Bus } from '#events/bus.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import type { Provider } from '#providers/provider.ts';
import type { Database } from '#store/database.ts';
import { fakePromotion } from './fakePromotion.ts';

/** What the fake machines are told to do at a call, by the call's name and instance, e.g. "join orders-2". Throw to fail it. */
export type Interference = (call: string, signal: AbortSignal) => Promise<void>;

export type FakeMachines = {
  engine: Engine;
  provider: Provider;
  /** Every call that reached a machine, in order. */
  calls: string[];
  interfere(interference: Interference): void;
  observe(instanceId: string, observation: Partial<Observation>): Promise<void>;
};

type FakeMachinesDeps = {
  db: Database;
  bus: Bus;
  /** Where their backups go. */
  backups: BackupStore;
};

/** Machines for tests of operations: they do nothing, tell what was asked of them, and report as an agent would. */
export function createFakeMachines({ db, bus, backups }: FakeMachinesDeps): FakeMachines {
  const calls: string[] = [];
  let interference: Interference = async () => {};
  const interfere = (chosen: Interference) => {
    interference = chosen;
  };
  const called = async (call: string, signal = new AbortController().signal) => {
    calls.push(call);
    await interference(call, signal);
  };
  const observe: FakeMachines['observe'] = async (instanceId, observation) => {
    await db.instance.update({
      where: { id: instanceId },
      data: { observedAt: new Date(), observation: { ...servingObservation, ...observation } },
    });
    bus.publish(`instance:${instanceId}`);
  };
  const nameOf = async (id: string) => (await db.instance.findUniqueOrThrow({ where: { id } })).name;
  const provider: Provider = {
    name: 'fake',
    ensureNetwork: async (id) => {
      await called('network');
      return { cidr: `10.${id.slice(-6)}/28`, peers: ['127.0.0.1/32'] };
    },
    ensureInstance: async ({ instanceName }) => {
      await called(`provision ${instanceName}`);
      return { address: '127.0.0.1', port: 5432, dnsName: `${instanceName}.test` };
    },
    inspect: async () => 'running',
    stopInstance: async ({ instanceId }, { fence = false } = {}) =>
      called(`${fence ? 'fence' : 'stop'} ${await nameOf(instanceId)}`),
    startInstance: async ({ instanceId }, { liftFence = false } = {}) => {
      await called(`${liftFence ? 'unfence' : 'start'} ${await nameOf(instanceId)}`);
      // As an agent that comes up reports.
      await db.instance.updateMany({
        where: { id: instanceId, observedAt: { not: null } },
        data: { observedAt: new Date() },
      });
      bus.publish(`instance:${instanceId}`);
    },
    destroyInstance: async ({ instanceId }) => called(`destroy ${await nameOf(instanceId)}`),
    destroyNetwork: async () => called('destroy network'),
  };
  const engine: Engine = {
    name: 'fake',
    displayName: 'Fake',
    standardPort: 5432,
    capabilities: { promotion: true, topology: 'PRIMARY_REPLICA' },
    size: { minimum: 1, maximum: 16, oddOnly: false },
    secretNames: ['admin', 'app'],
    clientAccess: { secretName: 'app', username: 'app', database: 'app', uriScheme: 'fake' },
    versions: () => [
      { version: '2', available: true, release: '2.0', unavailableReason: null },
      { version: '1', available: false, release: null, unavailableReason: 'Install it.' },
    ],
    health: ({ instances }) => ({
      level: instances.length > 0 && instances.every(({ status }) => status === 'ACTIVE') ? 'HEALTHY' : 'DEGRADED',
      reasons: instances.flatMap(({ id, name, status }) =>
        status === 'ACTIVE'
          ? []
          : [{ code: 'INSTANCE_DOWN' as const, message: `${name} is ${status}.`, instanceId: id }],
      ),
    }),
    bootstrap: async ({ signal }, { id, name }) => {
      await called(`bootstrap ${name}`, signal);
      await observe(id, { role: 'PRIMARY' });
    },
    join: async ({ signal }, { id, name }) => {
      await called(`join ${name}`, signal);
      await observe(id, { role: 'REPLICA' });
    },
    release: async ({ signal, cluster }, { name }) => {
      if (cluster.synchronous) await called(`release ${name}`, signal);
    },
    leave: ({ signal }, { name }) => called(`leave ${name}`, signal),
    restartOrder: ({ instances, primaryInstanceId }) => [
      ...instances.filter(({ id }) => id !== primaryInstanceId),
      ...instances.filter(({ id }) => id === primaryInstanceId),
    ],
    restart: async ({ signal }, { id, name, role }) => {
      await called(`restart ${name}`, signal);
      const startedAt = new Date().toISOString();
      await observe(id, { role, startedAt });
      return { startedAt, downMs: 7 };
    },
    applyAccess: ({ signal }, { name }) => called(`access ${name}`, signal),
    applySynchronous: ({ signal, cluster: { synchronous } }) => called(`synchronous ${synchronous}`, signal),
    promotion: fakePromotion({ called, observe }),
    backUp: async (context, { name }, { key }) => {
      await called(`back up ${name}`, context.signal);
      const content = Buffer.from(`the data of ${name}`);
      await backups.write(key, Readable.from([content]));
      const sha256 = createHash('sha256').update(content).digest('hex');
      const position = { startPosition: '1', endPosition: '2', timeline: 1 };
      return { bytes: content.length, dataBytes: 1000, sha256, ...position };
    },
    furthest: ([first]) => assertPresent(first, 'a part'),
    restore: async ({ signal }, { name }, { key }) => {
      await called(`restore ${name}`, signal);
      await fingerprintOf(backups.read(key));
    },
    lead: async ({ signal }, { id, name }) => {
      await called(`lead ${name}`, signal);
      await observe(id, { role: 'PRIMARY' });
    },
    follow: async ({ signal }, { id, name }) => {
      await called(`follow ${name}`, signal);
      await observe(id, { role: 'REPLICA' });
      return null;
    },
    verify: ({ signal }) => called('verify', signal),
  };
  return { engine, provider, calls, observe, interfere };
}

const servingObservation: Observation = {
  at: new Date(0).toISOString(),
  serving: true,
  reason: null,
  role: null,
  stopped: false,
  startedAt: null,
  connections: null,
  storageUsedBytes: null,
  replication: null,
  followerStates: [],
  lastPosition: null,
  engine: {},
};
