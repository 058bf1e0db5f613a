import ipaddr from 'ipaddr.js';

/** Hexadecimal groups: a network of IPv4 has a notation of its own, and a zone is of one host only. */
const ipv6Notation = /^[0-9a-f]*:[0-9a-f:]*$/i;
const prefixNotation = /^(0|[1-9]\d{0,2})$/;

/**
 * Nothing that one reader takes for another network than the next does: of IPv4 four decimal numbers, since a leading zero makes a
 * number octal for some (010.0.0.0 is 8.0.0.0), and others know parts that are hexadecimal or left out.
 */
function isUnambiguous(text: string): boolean {
  const [address = '', prefix = '', ...more] = text.split('/');
  const isAddress = ipv6Notation.test(address) || ipaddr.IPv4.isValidFourPartDecimal(address);
  return isAddress && prefixNotation.test(prefix) && more.length === 0;
}

/**
 * The network in its one canonical notation. Null: it is none, or is written so that readers differ on it, or an address inside one
 * (10.0.0.1/8) – a slip that some servers refuse and others take for the whole network.
 */
export function canonicalCidr(text: string): string | null {
  if (!isUnambiguous(text) || !ipaddr.isValidCIDR(text)) return null;
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
