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
  ])('%j is none', (text) => {
    expect(canonicalCidr(text)).toBeNull();
  });

  test('can be shared out among clusters if it is loopback and has room for one', () => {
    expect(isLoopbackNetwork('127.64.0.0/10', 16)).toBe(true);
    expect(isLoopbackNetwork('127.0.0.16/28', 16)).toBe(true);
    expect(isLoopbackNetwork('127.0.0.0/30', 16)).toBe(false);
    expect(isLoopbackNetwork('10.0.0.0/8', 16)).toBe(false);
    expect(isLoopbackNetwork('126.0.0.0/7', 16)).toBe(false);
  });
});
