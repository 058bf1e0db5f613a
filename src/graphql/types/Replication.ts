import type { ReplicationObservation } from '#domain/observation.ts';
import { builder } from '../builder.ts';
import { requireActor } from '../errors.ts';

type ReplicationFacts = ReplicationObservation & { clusterId: string };

export const Replication = builder.objectRef<ReplicationFacts>('Replication').implement({
  description: "How a replica's copying stands, as its own server told when it was last observed.",
  fields: (t) => ({
    upstream: t.prismaField({
      type: 'Instance',
      nullable: true,
      description: 'The instance that it follows; null if it follows none of its cluster.',
      resolve: async (query, { clusterId, upstream }, _args, context) => {
        const place = placeOf(upstream);
        const id = place && (await context.loaders.instanceIdAt.load({ clusterId, ...place }));
        if (id === null) return null;
        return await context.db.instance.findUnique({
          ...query,
          where: { id, projectId: requireActor(context).projectId },
        });
      },
    }),
    upstreamAddress: t.exposeString('upstream', {
      nullable: true,
      description: 'The server that it follows, as host:port; null if it follows none.',
    }),
    state: t.exposeString('state', {
      nullable: true,
      description: 'In the word of the engine, e.g. "streaming"; null if it is not connected.',
    }),
    lagBytes: t.expose('lagBytes', {
      type: 'BigInt',
      nullable: true,
      description: 'Bytes known upstream and not applied here; null if not known.',
    }),
    lagSeconds: t.exposeFloat('lagSeconds', {
      nullable: true,
      description: 'Seconds since the last applied change was made; null if not known.',
    }),
    position: t.exposeString('position', {
      nullable: true,
      description: 'The last applied position in the notation of the engine (LSN for PostgreSQL); null if not known.',
    }),
  }),
});

function placeOf(upstream: string | null): { host: string; port: number } | null {
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(upstream ?? '') ?? [];
  return host === undefined ? null : { host, port: Number(port) };
}
