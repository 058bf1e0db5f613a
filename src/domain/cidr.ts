import ipaddr from 'ipaddr.js';

/**
 * The network in its one canonical notation. Null: it is none, or an address inside one (10.0.0.1/8) – a slip that some servers
 * refuse and others take for the whole network.
 */
export function canonicalCidr(text: string): string | null {
  if (!ipaddr.isValidCIDR(text)) return null;
  const [address, prefix] = ipaddr.parseCIDR(text);
  const network = networkOf(address, prefix);
  return network.toByteArray().join() === address.toByteArray().join() ? `${network.toString()}/${prefix}` : null;
}

/** True if the network has room for so many addresses and all of them are this host's own (127.0.0.0/8). */
export function isLoopbackNetwork(text: string, addresses: number): boolean {
  const canonical = canonicalCidr(text);
  if (canonical === null) return false;
  const [address, prefix] = ipaddr.parseCIDR(canonical);
  return address.kind() === 'ipv4' && address.range() === 'loopback' && 2 ** (32 - prefix) >= addresses;
}

function networkOf(address: ipaddr.IPv4 | ipaddr.IPv6, prefix: number): ipaddr.IPv4 | ipaddr.IPv6 {
  const bytes = address
    .toByteArray()
    .map((byte, index) => byte & ~(0xff >> Math.min(Math.max(prefix - index * 8, 0), 8)));
  return ipaddr.fromByteArray(bytes);
}
