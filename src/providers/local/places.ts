import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { NetworkFacts } from '#domain/facts.ts';
import { replaceFile } from '#lib/files/replaceFile.ts';
import { type InstancePlace, type InstanceRef, type InstanceSpec, ProviderError } from '#providers/provider.ts';
import { createClaims } from './claims.ts';
import { readJson } from './files.ts';
import type { Layout } from './layout.ts';
import { addressesOf, hasOwnAddresses, sharedAddress } from './networks.ts';

/** Below the ranges that systems take for outgoing connections, so that nothing takes an idle instance's port. */
const freePorts = { first: 20_000, count: 10_000 };

const labelPattern = /^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$/i;

/** Where an instance is, as its directory records it. */
export type RecordedPlace = InstancePlace & { shortName: string };

export type Places = {
  /** The instance's address, port and name: those that it has, for ever, else free ones. */
  ensure(spec: InstanceSpec, network: NetworkFacts): Promise<InstancePlace>;
  release(instance: InstanceRef): Promise<void>;
};

export function createPlaces(layout: Layout): Places {
  async function choose(spec: InstanceSpec, network: NetworkFacts): Promise<RecordedPlace> {
    const { instanceName, instanceId, standardPort } = spec;
    const dnsName = [instanceName, spec.clusterName, spec.projectName].map(checkedLabel).join('.').concat('.grove');
    const names = { dnsName, shortName: instanceName };
    if (!hasOwnAddresses(network)) {
      const port = await createClaims(layout.portClaims).claim(instanceId, unusedPorts(sharedAddress));
      return { address: sharedAddress, port: Number(port ?? refuse('This host has no free port.')), ...names };
    }
    const claims = createClaims(layout.cluster(spec.clusterId).addressClaims);
    const address = await claims.claim(instanceId, addressesOf(network));
    if (address === null) refuse(`The network ${network.cidr} of cluster "${spec.clusterName}" has no free address.`);
    return { address, port: await portAt(address, standardPort), ...names };
  }

  return {
    async ensure(spec, network) {
      const { placeFile } = layout.instance(spec);
      const recorded = await readJson<RecordedPlace>(placeFile);
      const place = recorded ?? (await choose(spec, network));
      if (recorded === null) await replaceFile(placeFile, JSON.stringify(place), { mode: 0o644 });
      return { address: place.address, port: place.port, dnsName: place.dnsName };
    },
    async release(instance) {
      // First the record, then the claims: no address is ever in the records of two instances.
      await rm(layout.instance(instance).placeFile, { force: true });
      for (const directory of [layout.cluster(instance.clusterId).addressClaims, layout.portClaims]) {
        await createClaims(directory).release(instance.instanceId);
      }
    },
  };
}

/** The standard port, unless a server that listens on all addresses of the host has taken it. */
async function portAt(address: string, standardPort: number): Promise<number> {
  if (await canListen(address, standardPort)) return standardPort;
  for await (const port of unusedPorts(address)) return Number(port);
  return refuse(`No port is free on ${address}.`);
}

async function* unusedPorts(address: string): AsyncGenerator<string> {
  const start = Math.floor(Math.random() * freePorts.count);
  for (let tried = 0; tried < freePorts.count; tried++) {
    const port = freePorts.first + ((start + tried) % freePorts.count);
    if (await canListen(address, port)) yield String(port);
  }
}

async function canListen(address: string, port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ host: address, port, exclusive: true });
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return true;
  } catch {
    return false;
  }
}

function checkedLabel(name: string): string {
  return labelPattern.test(name) ? name : refuse(`"${name}" cannot be part of a DNS name.`);
}

function refuse(message: string): never {
  throw new ProviderError(message, { retryable: false });
}
