import { queryFromInfo } from '@pothos/plugin-prisma';
import type { GraphQLResolveInfo } from 'graphql';
import { builder } from '../builder.ts';
import { idsComplexity } from '../complexity.ts';
import { maximumPageSize } from '../connections/pageRequest.ts';
import type { Context } from '../context.ts';
import { badUserInput, requireActor } from '../errors.ts';
import { parseGlobalId } from '../globalId.ts';
import { Backup } from './Backup.ts';
import { Cluster } from './Cluster.ts';
import { Instance } from './Instance.ts';
import { Operation } from './Operation.ts';
import { Webhook } from './Webhook.ts';

/** The thing with this id in the actor's project. Null: malformed, unknown, of another project, or of a type that is no node. */
async function findNode(context: Context, info: GraphQLResolveInfo, globalId: string): Promise<object | null> {
  const parsed = parseGlobalId(globalId);
  if (parsed === null) return null;
  const { projectId } = requireActor(context);
  const where = { id: parsed.id, projectId };
  const selection = (typeName: string) => {
    const { select } = queryFromInfo({ context, info, typeName, select: { id: true } });
    return { select };
  };
  switch (parsed.type) {
    case 'Cluster':
      return brand(Cluster, await context.db.cluster.findUnique({ ...selection('Cluster'), where }));
    case 'Instance':
      return brand(Instance, await context.db.instance.findUnique({ ...selection('Instance'), where }));
    case 'Operation':
      return brand(Operation, await context.db.operation.findUnique({ ...selection('Operation'), where }));
    case 'Backup':
      return brand(Backup, await context.db.backup.findUnique({ ...selection('Backup'), where }));
    case 'Webhook':
      return brand(Webhook, await context.db.webhook.findUnique({ ...selection('Webhook'), where }));
    default:
      return null;
  }
}

/** Tells the `Node` interface which type a row is of. */
function brand<Row extends object>(type: { addBrand(row: Row): Row }, row: Row | null): Row | null {
  return row === null ? null : type.addBrand(row);
}

builder.queryField('node', (t) =>
  t.field({
    type: builder.nodeInterfaceRef(),
    nullable: true,
    description:
      'The cluster, instance, operation, backup or webhook with this id; null if there is none such in the project.',
    args: { id: t.arg.id({ required: true, description: 'The id.' }) },
    resolve: (_root, { id }, context, info) => findNode(context, info, id),
  }),
);

builder.queryField('nodes', (t) =>
  t.field({
    type: [builder.nodeInterfaceRef()],
    complexity: idsComplexity,
    nullable: { list: false, items: true },
    description: 'As `node`, for many ids: an answer for each, in their order.',
    args: { ids: t.arg.idList({ required: true, description: `The ids: at most ${maximumPageSize}.` }) },
    resolve: (_root, { ids }, context, info) => {
      if (ids.length > maximumPageSize) {
        throw badUserInput(`"ids" must have at most ${maximumPageSize} entries, found ${ids.length}.`);
      }
      return Promise.all(ids.map((id) => findNode(context, info, id)));
    },
  }),
);
