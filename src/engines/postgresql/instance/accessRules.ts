import type { AccessPolicy } from '../commands.ts';
import { adminRole, replicatorRole } from '../roles.ts';

/** The text of pg_hba.conf. The first line that fits a connection decides, so Grove's own users come first. */
export function accessRules({ clients, peers }: AccessPolicy): string {
  const lines = [
    ...peers.map((cidr) => `host all ${adminRole} ${cidr} scram-sha-256`),
    ...peers.map((cidr) => `host replication ${replicatorRole} ${cidr} scram-sha-256`),
    `host all ${adminRole},${replicatorRole} all reject`,
    'host replication all all reject',
    ...clients.map((cidr) => `host all all ${cidr} scram-sha-256`),
  ];
  return ["# Written by Grove from the cluster's access rules. Changes made here are lost.", ...lines, ''].join('\n');
}

/** Nobody signs in: the passwords are those of the cluster that was backed up. */
export const noAccess = 'host all all all reject\nhost replication all all reject\n';
