import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatAddress, parseAddress, parseCidr } from '#providers/local/ipv4.ts';
import { parseListeners } from '#providers/local/listeningAddresses.ts';

test('an address is read as it is written', () => {
  fc.assert(fc.property(fc.nat(0xffffffff), (address) => parseAddress(formatAddress(address)) === address));
});

test('a network has a first address and a size', () => {
  expect(parseCidr('127.64.0.0/10')).toEqual({ base: 0x7f400000, size: 2 ** 22 });
  expect(parseCidr('127.0.0.1/32')).toEqual({ base: 0x7f000001, size: 1 });
});

test.each(['127.64.0.0', '127.64.0.1/10', '127.0.0.256/32', '10.0.0.0/33', 'localhost/8'])(
  '%s is no network',
  (cidr) => {
    expect(() => parseCidr(cidr)).toThrow(`"${cidr}" is not an IPv4 network`);
  },
);

test('listeners are those in state LISTEN', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 0301407F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101
   1: 0100007F:8F2A 0301407F:1538 01 00000000:00000000 00:00000000 00000000   101
`;
  expect([...parseListeners(table)].map(formatAddress)).toEqual(['127.64.1.3']);
});
