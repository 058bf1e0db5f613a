import { rm } from 'node:fs/promises';
import type { NetworkFacts } from '#domain/facts.ts';
import { replaceFile } from '#lib/files/replaceFile.ts';
import { closedDirectory, type ServerUser } from '#lib/host/serverUser.ts';
import { ProviderError } from '#providers/provider.ts';
import { createClaims } from './claims.ts';
import { ensureDirectory, readJson } from './files.ts';
import { formatAddress, type Ipv4Network, parseCidr } from './ipv4.ts';
import type { Layout } from './layout.ts';
import { listeningAddresses } from './listeningAddresses.ts';

const blockSize = 16;
const blockPrefix = 28;
/** Free blocks that are tried before giving up: more than any host has clusters. */
const maxTries = 100_000;

/** Where an instance that has no address of its own can be reached, and where a connection without one comes from. */
export const sharedAddress = '127.0.0.1';
const sharedNetwork = `${sharedAddress}/32`;

export type NetworksOptions = {
  layout: Layout;
  /** CIDR of loopback addresses to share out. Null: instances get ports of the one loopback address instead. */
  pool: string | null;
  serverUser: ServerUser | null;
};

export type Networks = {
  ensure(clusterId: string): Promise<NetworkFacts>;
  /** Gives the network back. The cluster's directory is gone by then. */
  release(clusterId: string): Promise<void>;
};

/** Shares a pool of loopback addresses out among the clusters of this data directory. */
export function createNetworks({ layout, pool, serverUser }: NetworksOptions): Networks {
  const claims = createClaims(layout.networkClaims);
  const network = pool === null ? null : parseCidr(pool);

  async function choose(clusterId: string): Promise<string> {
    if (network === null) return sharedNetwork;
    const base = await claims.claim(clusterId, freeBlocks(network, await listeningAddresses()));
    if (base !== null) return `${base}/${blockPrefix}`;
    throw new ProviderError(
      `The network pool ${pool} has no free /${blockPrefix} left. Delete a cluster, or set a larger pool.`,
      {
        retryable: false,
      },
    );
  }

  return {
    async ensure(clusterId) {
      const { directory, networkFile } = layout.cluster(clusterId);
      for (const path of [layout.dataDirectory, layout.clusters, directory]) await ensureDirectory(path, 0o711);
      const recorded = await readJson<NetworkFacts>(networkFile);
      const facts = recorded ?? factsOf(await choose(clusterId));
      if (recorded === null) await replaceFile(networkFile, JSON.stringify(facts), { mode: 0o644 });
      await requireReach(networkFile, serverUser);
      return facts;
    },
    async release(clusterId) {
      await rm(layout.cluster(clusterId).networkFile, { force: true });
      await claims.release(clusterId);
    },
  };
}

/** A connection that does not bind comes from 127.0.0.1, wherever on loopback it goes: that is a peer too. */
function factsOf(cidr: string): NetworkFacts {
  return { cidr, peers: [...new Set([sharedNetwork, cidr])] };
}

/** Blocks of the pool from a random one on, since other data directories share the host, without those that are in use. */
function* freeBlocks({ base, size }: Ipv4Network, listening: ReadonlySet<number>): Generator<string> {
  const inUse = new Set([...listening].map((address) => Math.floor((address - base) / blockSize)));
  const blocks = Math.floor(size / blockSize);
  const first = Math.floor(Math.random() * blocks);
  for (let tried = 0; tried < Math.min(blocks, maxTries); tried++) {
    const block = (first + tried) % blocks;
    if (!inUse.has(block)) yield formatAddress(base + block * blockSize);
  }
}

/** Every address of a cluster's network, lowest first. */
export function* addressesOf({ cidr }: NetworkFacts): Generator<string> {
  const { base, size } = parseCidr(cidr);
  for (let offset = 0; offset < size; offset++) yield formatAddress(base + offset);
}

/** True if the network is one that the instances have addresses of their own in. */
export function hasOwnAddresses({ cidr }: NetworkFacts): boolean {
  return cidr !== sharedNetwork;
}

async function requireReach(path: string, serverUser: ServerUser | null): Promise<void> {
  if (serverUser === null) return;
  const closed = await closedDirectory(path, serverUser);
  if (closed === null) return;
  throw new ProviderError(
    `Database servers run as user ${serverUser.uid}, who may not enter ${closed}. Allow it (chmod o+x), or set GROVE_DATA to another directory.`,
    { retryable: false },
  );
}
