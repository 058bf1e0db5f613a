import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** The addresses that the internet's registries have given out so far (RFC 4291: all others of IPv6 are of a special kind). */
const globalIpv6 = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Whether a webhook may connect to an address: a public one always; a loopback, private, link-local or other special one only if
 * it is in one of the allowed networks. An IPv4 address in the clothes of IPv6 is judged as the IPv4 address that it is.
 */
export function webhookAddress(text: string, allowedNetworks: readonly string[]): 'PUBLIC' | 'ALLOWED' | 'REFUSED' {
  if (!ipaddr.isValid(text)) return 'REFUSED';
  const address = ipaddr.process(text);
  if (allowedNetworks.some((network) => holds(network, address))) return 'ALLOWED';
  return isPublic(address) ? 'PUBLIC' : 'REFUSED';
}

function holds(network: string, address: Address): boolean {
  const [base, prefix] = ipaddr.parseCIDR(network);
  return base.kind() === address.kind() && address.match(base, prefix);
}

function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  return address.kind() === 'ipv4' || address.match(globalIpv6[0], globalIpv6[1]);
}

/** What is wrong with the URL of a webhook, as far as it can be told without a name service. Null: nothing. */
export function faultOfWebhookUrl(text: string, allowedNetworks: readonly string[]): string | null {
  const url = URL.parse(text);
  if (url === null) return 'must be a URL like https://example.com/hooks';
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must begin with https://';
  if (url.username !== '' || url.password !== '') return 'must have no user name or password in it';
  if (url.hash !== '') return 'must have no fragment (#…)';
  const judgements = knownAddresses(url)?.map((address) => webhookAddress(address, allowedNetworks)) ?? null;
  if (judgements?.every((judgement) => judgement === 'REFUSED')) return refusedAddress;
  if (url.protocol === 'https:') return null;
  const maybeAllowed = judgements === null ? allowedNetworks.length > 0 : judgements.includes('ALLOWED');
  return maybeAllowed ? null : plainHttp;
}

/** Where the URL may lead, as far as that is known without a name service. Null: it is not. */
function knownAddresses(url: URL): string[] | null {
  const address = literalAddress(url);
  if (address !== null) return [address];
  return isLoopbackName(url.hostname) ? ['127.0.0.1', '::1'] : null;
}

/** What every host calls itself: `localhost` and all below it (RFC 6761), and what distributions write into /etc/hosts. */
function isLoopbackName(hostname: string): boolean {
  const name = hostname.replace(/\.$/, '');
  return /(^|\.)localhost$/.test(name) || otherLoopbackNames.includes(name);
}

const otherLoopbackNames = [
  'localhost.localdomain',
  'localhost6',
  'localhost6.localdomain6',
  'ip6-localhost',
  'ip6-loopback',
];

/** The address that a URL names itself, without a name service. Null: it names a host. */
export function literalAddress({ hostname }: URL): string | null {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1');
  return ipaddr.isValid(bare) ? bare : null;
}

const howToAllow = 'Whoever runs this Grove can allow networks with GROVE_WEBHOOK_ALLOW_PRIVATE';
export const refusedAddress = `leads to an address that is not public. ${howToAllow}.`;
export const plainHttp = `must begin with https://: plain http is only for networks that are allowed. ${howToAllow}.`;
