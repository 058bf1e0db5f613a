/** An IPv4 network: its first address as a number, and how many addresses it has. */
export type Ipv4Network = { base: number; size: number };

const cidrPattern = /^(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})\/(\d{1,2})$/;

/** Reads CIDR notation, e.g. "127.64.0.0/10". Throws if it is none. */
export function parseCidr(cidr: string): Ipv4Network {
  const [, address, prefix] = cidrPattern.exec(cidr) ?? [];
  const size = 2 ** (32 - Number(prefix));
  const base = address === undefined ? null : parseAddress(address);
  if (base === null || !Number.isInteger(size) || base % size !== 0) {
    throw new Error(`"${cidr}" is not an IPv4 network in CIDR notation, such as 127.64.0.0/10.`);
  }
  return { base, size };
}

/** Null: not an IPv4 address. */
export function parseAddress(address: string): number | null {
  const bytes = address.split('.').map(Number);
  if (bytes.length !== 4 || bytes.some((byte) => !Number.isInteger(byte) || byte < 0 || byte > 255)) return null;
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}
