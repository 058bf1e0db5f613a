import type { InstanceRole } from '#generated/prisma/enums.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import { builder } from '../builder.ts';
import { describedEnum } from '../describedEnum.ts';
import { Cluster } from './Cluster.ts';
import { presentInstances } from './presentInstances.ts';

type EndpointKindName = 'READ_WRITE' | 'READ_ONLY';
type EndpointFacts = {
  kind: EndpointKindName;
  host: string;
  dnsName: string | null;
  port: number;
  uri: string;
};

const EndpointKind = describedEnum<EndpointKindName>('EndpointKind', 'What a client can do there. More may be added.', {
  READ_WRITE: 'Accepts reads and writes.',
  READ_ONLY: 'Accepts reads; may be a little behind.',
});

const Endpoint = builder.objectRef<EndpointFacts>('Endpoint').implement({
  description: 'An address where database clients connect.',
  fields: (t) => ({
    kind: t.expose('kind', { type: EndpointKind, description: 'What a client can do there.' }),
    host: t.exposeString('host', { description: 'The IP address.' }),
    dnsName: t.exposeString('dnsName', {
      nullable: true,
      description: 'The name of the address; null if it has none.',
    }),
    port: t.exposeInt('port', { description: 'The TCP port.' }),
    uri: t.exposeString('uri', {
      description: 'What a client library takes, without the password: `revealCredentials` shows that.',
    }),
  }),
});

type Placed = {
  id: string;
  role: InstanceRole | null;
  address: string | null;
  port: number | null;
  dnsName: string | null;
};

/** The wanted primary and every equal accept writes; a replica accepts reads. What is neither, or has no address, is no endpoint. */
function kindOf({ id, role }: Placed, primaryInstanceId: string | null): EndpointKindName | null {
  if (id === primaryInstanceId || role === 'MEMBER') return 'READ_WRITE';
  return role === 'REPLICA' ? 'READ_ONLY' : null;
}

builder.prismaObjectField(Cluster, 'endpoints', (t) =>
  t.field({
    type: [Endpoint],
    description:
      'Where database clients connect: the primary to write, each replica to read. Empty until there are addresses.',
    select: {
      engine: true,
      primaryInstanceId: true,
      instances: { ...presentInstances, select: { id: true, role: true, address: true, port: true, dnsName: true } },
    },
    resolve: ({ engine: engineName, primaryInstanceId, instances }, _args, { operations }) => {
      const { clientAccess } = assertPresent(operations.engines[engineName], `engine ${engineName}`);
      const endpoints = instances.flatMap((instance) => {
        const kind = kindOf(instance, primaryInstanceId);
        const { address: host, port, dnsName } = instance;
        if (kind === null || host === null || port === null) return [];
        const { uriScheme, username, database } = clientAccess;
        return [{ kind, host, port, dnsName, uri: `${uriScheme}://${username}@${host}:${port}/${database}` }];
      });
      return endpoints.sort((a, b) => order[a.kind] - order[b.kind]);
    },
  }),
);

const order = { READ_WRITE: 0, READ_ONLY: 1 } as const;
