import { readText } from './files.ts';

const listenState = '0A';

/** IPv4 addresses (as numbers) that something on this host listens on, whatever the port. Empty where /proc is absent. */
export async function listeningAddresses(): Promise<Set<number>> {
  return parseListeners((await readText('/proc/net/tcp')) ?? '');
}

/** proc_net_tcp: the second field is the local address, the bytes of the address in host order (little-endian), in hex. */
export function parseListeners(table: string): Set<number> {
  const listeners = new Set<number>();
  for (const line of table.split('\n').slice(1)) {
    const [, local, , state] = line.trim().split(/\s+/);
    const [hex] = local?.split(':') ?? [];
    if (hex === undefined || state !== listenState) continue;
    listeners.add(Buffer.from(hex, 'hex').readUInt32LE());
  }
  return listeners;
}
