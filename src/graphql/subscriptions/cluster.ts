import type { LoggedEvent } from '#events/event.ts';
import type { FeedMessage } from '#events/subscription.ts';
import { builder } from '../builder.ts';
import type { Context } from '../context.ts';
import { expected, notFound, requireActor } from '../errors.ts';
import { idOf, nounOf } from '../globalId.ts';
import { beginningWith } from './beginningWith.ts';
import { messageTypes, ofTheActorsProject } from './messages.ts';

type Snapshot = { kind: 'snapshot'; clusterId: string; cursor: string };

const ClusterSnapshot = builder.objectRef<Snapshot>('ClusterSnapshot').implement({
  description: 'The cluster as it is; the events that follow are those that may not be in it yet.',
  fields: (t) => ({
    cluster: t.prismaField({
      type: 'Cluster',
      description: 'The cluster.',
      resolve: (query, { clusterId: id }, _args, context) =>
        context.db.cluster.findUniqueOrThrow({ ...query, where: { id, projectId: requireActor(context).projectId } }),
    }),
    cursor: t.expose('cursor', {
      type: 'Cursor',
      description: 'Resume from here. Everything up to it is in the snapshot.',
    }),
  }),
});

const clusterMessageTypes = { ...messageTypes, snapshot: ClusterSnapshot } as const;
type ClusterMessageFacts = FeedMessage | Snapshot;

const ClusterMessage = builder.unionType('ClusterMessage', {
  description: 'What the stream of a cluster says. More members may be added.',
  types: Object.values(clusterMessageTypes),
  resolveType: (message) => clusterMessageTypes[(message as ClusterMessageFacts).kind],
});

builder.subscriptionField('cluster', (t) =>
  t.field({
    type: ClusterMessage,
    description: 'A cluster as it is now, then every event about it, its instances and its operations.',
    args: {
      id: t.arg.id({ required: true, description: 'The id of the cluster.' }),
      after: t.arg({
        type: 'Cursor',
        description: 'Begin behind this cursor, without a snapshot. Left out: with one.',
      }),
    },
    subscribe: async (_root, { id, after = null }, context) => {
      const clusterId = await requireCluster(context, id);
      return after === null
        ? beginningWith(() => snapshotThenFollow(context, clusterId))
        : expected(() => follow(context, { clusterId, after }));
    },
    resolve: (message, _args, context) => ofTheActorsProject(context, message as ClusterMessageFacts),
  }),
);

async function requireCluster(context: Context, globalId: string): Promise<string> {
  const id = idOf('Cluster', globalId);
  const where = { id: id ?? '', projectId: requireActor(context).projectId };
  const cluster = id === null ? null : await context.db.cluster.findUnique({ where, select: { id: true } });
  if (cluster === null) throw notFound(nounOf('Cluster'));
  return cluster.id;
}

/** The cursor comes first: what is committed while the snapshot is read is told again after it, and nothing falls between. */
async function snapshotThenFollow(context: Context, clusterId: string) {
  const cursor = await context.feed.cursorNow(requireActor(context).projectId);
  const first: ClusterMessageFacts = { kind: 'snapshot', clusterId, cursor };
  return { first, rest: follow(context, { clusterId, after: cursor }) };
}

function follow(
  context: Context,
  { clusterId, after }: { clusterId: string; after: string },
): AsyncIterable<ClusterMessageFacts, void> {
  const { projectId } = requireActor(context);
  const filter = { key: `cluster ${clusterId}`, wants: (event: LoggedEvent) => event.clusterId === clusterId };
  return context.feed.subscribe({ after, projectId, filter });
}
