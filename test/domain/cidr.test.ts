import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalCidr, isLoopbackNetwork } from '#domain/cidr.ts';

describe('a network', () => {
  test.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['192.168.1.7/32', '192.168.1.7/32'],
    ['172.16.128.0/17', '172.16.128.0/17'],
    ['2001:DB8::/32', '2001:db8::/32'],
    ['0:0::1/128', '::1/128'],
    ['::/0', '::/0'],
  ])('%s is %s in its canonical notation', (text, canonical) => {
    expect(canonicalCidr(text)).toBe(canonical);
  });

  test.each([
    '10.0.0.1/8',
    '10.0.0.0/33',
    '10.0.0.0',
    '1:2:3:4:5:6:7::/64',
    '::FFFF:1.2.3.4/96',
    '',
    'x/8',
    '10.0.0.0/8\n',
    '010.0.0.0/8',
    '0xa.0.0.0/8',
    '167772160/8',
    '10.1.0/16',
    '10.1/16',
    '10.0.0.0/08',
    '10.0.0.0/+8',
    '10.0.0.0/8/8',
    '2001:db8::/032',
    '::ffff:10.0.0.0/104',
    '::010.0.0.0/128',
    'fe80::%lo/64',
    '12/8',
    ':/0',
  ])('%j is none', (text) => {
    expect(canonicalCidr(text)).toBeNull();
  });

  test('of IPv4 is taken as it is written or not at all', () => {
    const radix = fc.constantFrom(8, 10, 16);
    const part = fc.tuple(fc.nat(300), radix, fc.constantFrom('', '0', '0x', '+', ' ')).map(([n, base, before]) => {
      return `${before}${n.toString(base)}`;
    });
    const parts = fc.array(fc.oneof(fc.nat(255).map(String), fc.constant('0'), part), { minLength: 1, maxLength: 5 });
    const prefix = fc.oneof(fc.nat(34).map(String), part);
    fc.assert(
      fc.property(parts, prefix, (address, length) => {
        const text = `${address.join('.')}/${length}`;
        expect([text, null]).toContain(canonicalCidr(text));
      }),
      { numRuns: 2000 },
    );
  });

  test('of IPv4 without host bits is always taken', () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.nat(32), (address, length) => {
        const size = 2 ** (32 - length);
        const base = Math.floor(address / size) * size;
        const text = `${[24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join('.')}/${length}`;
        expect(canonicalCidr(text)).toBe(text);
      }),
    );
  });

  test('of IPv6 without host bits is always taken, in a notation that stays the same', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 7 }), (groups) => {
        const text = `${groups.map((group) => group.toString(16)).join(':')}::/${groups.length * 16}`;
        const canonical = canonicalCidr(text);
        expect(canonical).not.toBeNull();
        expect(canonicalCidr(canonical ?? '')).toBe(canonical);
      }),
    );
  });

  test('can be shared out among clusters if it is loopback and has room for one', () => {
    expect(isLoopbackNetwork('127.64.0.0/10', 16)).toBe(true);
    expect(isLoopbackNetwork('127.0.0.16/28', 16)).toBe(true);
    expect(isLoopbackNetwork('127.0.0.0/30', 16)).toBe(false);
    expect(isLoopbackNetwork('10.0.0.0/8', 16)).toBe(false);
    expect(isLoopbackNetwork('126.0.0.0/7', 16)).toBe(false);
    expect(isLoopbackNetwork('0177.0.0.0/8', 16)).toBe(false);
  });
});
