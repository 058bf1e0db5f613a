import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type InstanceSpec, type Provider, ProviderError } from '#providers/provider.ts';

/** A provider to try, and what a test must see of what it made from outside. */
export type ProviderUnderTest = {
  provider: Provider;
  /** How many processes of the instance run now: its agent, and the server that the agent started. */
  countProcesses(instance: { clusterId: string; instanceId: string }): Promise<number>;
  /** Waits until the agent has started its server. */
  untilServing(instance: { clusterId: string; instanceId: string }): Promise<void>;
  /** True if nothing is left of the cluster: no file, no process, no claim, no name. */
  nothingLeft(clusterId: string): Promise<boolean>;
  /** Removes everything. */
  close(): Promise<void>;
};

/** What to ask of a provider for the nth instance of a cluster. */
export function instanceSpec(clusterId: string, index = 1): InstanceSpec {
  return {
    projectName: 'default',
    clusterId,
    clusterName: 'orders',
    instanceId: randomUUID(),
    instanceName: `orders-${index}`,
    size: { cpuMillis: 500, memoryMiB: 128, storageGiB: 1 },
    engine: 'postgresql',
    engineVersion: '18',
    standardPort: 5432,
    agentToken: `token-${index}`,
  };
}

/** What every provider promises, tried with an agent that starts one server and leaves it running when it ends. */
export function describeProviderContract(name: string, makeProvider: () => Promise<ProviderUnderTest>): void {
  describe(`provider contract: ${name}`, () => {
    let tried: ProviderUnderTest;
    let provider: Provider;
    let clusterId: string;

    beforeEach(async () => {
      tried = await makeProvider();
      provider = tried.provider;
      clusterId = randomUUID();
    });
    afterEach(() => tried.close());

    async function ensureServing(index = 1): Promise<InstanceSpec> {
      const spec = instanceSpec(clusterId, index);
      await provider.ensureInstance(spec);
      await tried.untilServing(spec);
      return spec;
    }

    test('a cluster has one network, the same each time', async () => {
      const network = await provider.ensureNetwork(clusterId);
      expect(await provider.ensureNetwork(clusterId)).toEqual(network);
      expect(await Promise.all([provider.ensureNetwork(clusterId), provider.ensureNetwork(clusterId)])).toEqual([
        network,
        network,
      ]);
      expect(network.cidr).toMatch(/^[\d.]+\/\d+$/);
      expect(network.peers.length).toBeGreaterThan(0);
    });

    test('an instance is made once and keeps its place', async () => {
      await provider.ensureNetwork(clusterId);
      const spec = instanceSpec(clusterId);
      expect(await provider.inspect(spec)).toBe('absent');
      const places = await Promise.all([provider.ensureInstance(spec), provider.ensureInstance(spec)]);
      await tried.untilServing(spec);
      expect(places[1]).toEqual(places[0]);
      expect(places[0]).toMatchObject({ dnsName: 'orders-1.orders.default.grove' });
      expect(await provider.ensureInstance(spec)).toEqual(places[0]);
      expect(await provider.inspect(spec)).toBe('running');
      expect(await tried.countProcesses(spec)).toBe(2);
    });

    test('instances made at once have places of their own', async () => {
      const specs = [1, 2, 3].map((index) => instanceSpec(clusterId, index));
      const places = await Promise.all(specs.map((spec) => provider.ensureInstance(spec)));
      expect(new Set(places.map(({ address, port }) => `${address}:${port}`)).size).toBe(3);
      expect(new Set(places.map(({ dnsName }) => dnsName)).size).toBe(3);
    });

    test('a stop leaves nothing running, and can be repeated', async () => {
      const spec = await ensureServing();
      await provider.stopInstance(spec);
      expect(await tried.countProcesses(spec)).toBe(0);
      expect(await provider.inspect(spec)).toBe('stopped');
      await provider.stopInstance(spec);
      expect(await provider.inspect(spec)).toBe('stopped');
    });

    test('a start brings a stopped instance back to its place, and leaves a running one alone', async () => {
      const spec = await ensureServing();
      const place = await provider.ensureInstance(spec);
      await provider.stopInstance(spec);
      await provider.startInstance(spec);
      await tried.untilServing(spec);
      await Promise.all([provider.startInstance(spec), provider.startInstance(spec)]);
      expect(await tried.countProcesses(spec)).toBe(2);
      expect(await provider.ensureInstance(spec)).toEqual(place);
    });

    test('what does not exist cannot be started, but can be stopped and destroyed', async () => {
      const spec = instanceSpec(clusterId);
      await expect(provider.startInstance(spec)).rejects.toBeInstanceOf(ProviderError);
      await provider.stopInstance(spec);
      await provider.destroyInstance(spec);
      await provider.destroyNetwork(clusterId);
      expect(await provider.inspect(spec)).toBe('absent');
    });

    test('destroying an instance leaves the others alone, and its place is free again', async () => {
      const [first, second] = [await ensureServing(1), await ensureServing(2)];
      const place = await provider.ensureInstance(first);
      await Promise.all([provider.destroyInstance(first), provider.destroyInstance(first)]);
      expect(await tried.countProcesses(first)).toBe(0);
      expect(await provider.inspect(first)).toBe('absent');
      expect(await provider.inspect(second)).toBe('running');
      expect(await tried.countProcesses(second)).toBe(2);
      const third = await provider.ensureInstance({ ...instanceSpec(clusterId), instanceName: 'orders-1' });
      expect(third.dnsName).toBe(place.dnsName);
    });

    test('destroying the network removes all that is left of the cluster, and only that', async () => {
      const spec = await ensureServing(1);
      await ensureServing(2);
      const other = instanceSpec(randomUUID(), 9);
      await provider.ensureInstance(other);
      await provider.destroyNetwork(clusterId);
      expect(await tried.countProcesses(spec)).toBe(0);
      expect(await tried.nothingLeft(clusterId)).toBe(true);
      expect(await provider.inspect(other)).toBe('running');
      await provider.destroyNetwork(clusterId);
    });

    test('an id that is none is refused', async () => {
      const refusal = { retryable: false };
      await expect(provider.ensureNetwork('../etc')).rejects.toMatchObject(refusal);
      await expect(provider.destroyNetwork('..')).rejects.toMatchObject(refusal);
      await expect(provider.destroyInstance({ clusterId, instanceId: '..' })).rejects.toMatchObject(refusal);
    });
  });
}
