import type { Context } from '../context.ts';
import { requireActor } from '../errors.ts';

/** Resolves the field of a result or an error that names an instance of the caller's project, also one that is gone. */
export const instanceWithId = <Query extends object>(
  query: Query,
  { instanceId }: { instanceId: string },
  _args: unknown,
  context: Context,
) =>
  context.db.instance.findUniqueOrThrow({
    ...query,
    where: { id: instanceId, projectId: requireActor(context).projectId },
  });
