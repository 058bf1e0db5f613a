import { describe, expect, test } from 'vitest';
import { faultOfWebhookUrl, webhookAddress } from '#domain/webhookTarget.ts';

describe('an address that a webhook may not connect to', () => {
  test.each([
    '127.0.0.1',
    '127.255.0.9',
    '0.0.0.0',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '192.0.0.8',
    '198.18.0.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::7f00:1',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '64:ff9b::7f00:1',
    '64:ff9b:1::a00:1',
    '2002:7f00:1::',
    '2001:0:7f00:1::',
    '2001:db8::1',
    'fe80::1',
    'fe80::1%lo',
    'fec0::1',
    'fd00:ec2::254',
    'ff02::1',
    '4000::1',
    'not an address',
  ])('%s', (address) => {
    expect(webhookAddress(address, [])).toBe('REFUSED');
  });
});

test.each(['8.8.8.8', '2606:4700:4700::1111', '::ffff:8.8.8.8'])('%s is public', (address) => {
  expect(webhookAddress(address, [])).toBe('PUBLIC');
});

test('networks are allowed one by one, whichever way an address of theirs is written', () => {
  const allowed = ['10.0.0.0/8', 'fd00::/8'];
  expect(webhookAddress('10.9.8.7', allowed)).toBe('ALLOWED');
  expect(webhookAddress('::ffff:10.9.8.7', allowed)).toBe('ALLOWED');
  expect(webhookAddress('fd12::1', allowed)).toBe('ALLOWED');
  expect(webhookAddress('127.0.0.1', allowed)).toBe('REFUSED');
  expect(webhookAddress('169.254.169.254', allowed)).toBe('REFUSED');
  expect(webhookAddress('8.8.8.8', allowed)).toBe('PUBLIC');
});

describe('a URL of a webhook', () => {
  test.each([
    ['https://hooks.example.com/a?b=c', [], null],
    ['https://8.8.8.8/', [], null],
    ['https://[2606:4700::1]/', [], null],
    ['http://10.1.2.3:8080/', ['10.0.0.0/8'], null],
    ['http://hooks.example.com/', ['10.0.0.0/8'], null],
    ['http://hooks.example.com/', [], /plain http/],
    ['http://8.8.8.8/', ['10.0.0.0/8'], /plain http/],
    ['https://127.0.0.1/', [], /not public/],
    ['https://2130706433/', [], /not public/],
    ['https://0x7f.1/', [], /not public/],
    ['https://0177.0.0.1/', [], /not public/],
    ['https://[::1]/', [], /not public/],
    ['https://[::ffff:10.0.0.1]/', [], /not public/],
    ['https://169.254.169.254/latest/meta-data', ['10.0.0.0/8'], /not public/],
    ['https://localhost/', [], /not public/],
    ['https://LOCALHOST:8443/', [], /not public/],
    ['https://localhost./', [], /not public/],
    ['https://hooks.localhost/', [], /not public/],
    ['https://ip6-localhost/', [], /not public/],
    ['https://localhost/', ['10.0.0.0/8'], /not public/],
    ['http://localhost/', ['10.0.0.0/8'], /not public/],
    ['https://localhost/', ['127.0.0.0/8'], null],
    ['http://localhost:8080/', ['127.0.0.1/32'], null],
    ['http://localhost/', ['::1/128'], null],
    ['https://[::1]/', ['127.0.0.0/8'], /not public/],
    ['https://[::ffff:127.0.0.1]/', ['127.0.0.0/8'], null],
    ['https://127.0.0.1./', [], /not public/],
    ['https://[0:0:0:0:0:0:0:1]/', [], /not public/],
    ['https://notlocalhost/', [], null],
    ['https://localhost.example.com/', [], null],
    ['https://user:password@example.com/', [], /user name or password/],
    ['https://example.com/#x', [], /fragment/],
    ['ftp://example.com/', [], /https/],
    ['file:///etc/passwd', [], /https/],
    ['hooks', [], /must be a URL/],
  ] as const)('%s', (url, allowed, fault) => {
    const found = faultOfWebhookUrl(url, allowed);
    if (fault === null) expect(found).toBe(null);
    else expect(found).toMatch(fault);
  });
});
