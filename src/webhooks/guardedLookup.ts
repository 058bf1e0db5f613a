import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { literalAddress, plainHttp, refusedAddress, webhookAddress } from '#domain/webhookTarget.ts';

export type Resolve = typeof lookup;

/** The receiver's address is one that a webhook may not connect to. */
export class RefusedTargetError extends Error {}

/** Throws RefusedTargetError if a request to this URL may not connect to this address. */
function requireReachable(url: URL, address: string, allowedNetworks: readonly string[]): void {
  const judgement = webhookAddress(address, allowedNetworks);
  if (judgement === 'REFUSED') throw new RefusedTargetError(`${url.host} ${refusedAddress}`);
  if (judgement === 'PUBLIC' && url.protocol === 'http:') throw new RefusedTargetError(`The URL ${plainHttp}`);
}

/**
 * The name look-up of one request. The very addresses that it has judged are those that the socket connects to: there is no second
 * look-up, whose answer could be another (DNS rebinding). One refused address refuses the name. A socket to a literal address asks
 * no look-up, so that is judged here at once. Throws RefusedTargetError.
 */
export function guardedLookup(
  url: URL,
  { allowedNetworks, resolve = lookup }: { allowedNetworks: readonly string[]; resolve?: Resolve | undefined },
): LookupFunction {
  const literal = literalAddress(url);
  if (literal !== null) requireReachable(url, literal, allowedNetworks);
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      try {
        for (const { address } of addresses) requireReachable(url, address, allowedNetworks);
      } catch (refused) {
        return callback(refused as Error, []);
      }
      const [first] = addresses;
      if (options.all === true || first === undefined) return callback(null, addresses);
      callback(null, first.address, first.family);
    });
  };
}
