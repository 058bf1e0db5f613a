import type { ClusterFacts, InstanceFacts } from '#domain/facts.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import type { AccessPolicy, ServerAddress } from './commands.ts';

export function addressOf({ name, address, port }: InstanceFacts): ServerAddress {
  if (address !== null && port !== null) return { host: address, port };
  throw new StepFailure('NO_ADDRESS', `Instance ${name} has no address yet.`, { retryable: true });
}

export function accessOf({ accessRules, network }: ClusterFacts): AccessPolicy {
  return { clients: accessRules.map(({ cidr }) => cidr), peers: network?.peers ?? [] };
}
