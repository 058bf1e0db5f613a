import { z } from 'zod';
import type { Actor } from '#domain/actor.ts';
import { NotFoundError } from '#domain/errors.ts';
import { parseInput } from '#domain/parseInput.ts';
import { requirePermission } from '#domain/requirePermission.ts';
import { transact } from '#events/transact.ts';
import { assertPresent } from '#lib/values/assertPresent.ts';
import type { OperationDeps } from './deps.ts';
import { clusterIdSchema } from './inputs.ts';

const inputSchema = z.strictObject({ clusterId: clusterIdSchema });

/** How a client signs in to a cluster's databases. Holds the password in clear: for the answer only, never for a log. */
export type Credentials = {
  username: string;
  password: string;
  database: string;
  /** Connection string with the password, to the primary. Null: no primary has an address yet. */
  uri: string | null;
};

/** The only way to a database password. Each use is an event in the project's log. */
export async function revealCredentials(
  deps: Pick<OperationDeps, 'db' | 'bus' | 'clock' | 'engines' | 'secrets'>,
  actor: Actor,
  rawInput: unknown,
): Promise<Credentials> {
  requirePermission(actor, 'revealCredentials', 'credentials:reveal');
  const { clusterId } = parseInput(inputSchema, rawInput);
  return await transact(deps, actor, async ({ tx, record }) => {
    const cluster = await tx.cluster.findUnique({
      where: { id: clusterId, projectId: actor.projectId, deletedAt: null },
      include: { instances: { where: { removedAt: null } }, secrets: true },
    });
    if (!cluster) throw new NotFoundError('The cluster');
    const engine = assertPresent(deps.engines[cluster.engine], `engine ${cluster.engine}`);
    const { secretName, username, database, uriScheme } = engine.clientAccess;
    const secret = assertPresent(
      cluster.secrets.find(({ name }) => name === secretName),
      `secret ${secretName}`,
    );
    const password = deps.secrets.open(secret.ciphertext, secret.keyId);
    const primary = cluster.instances.find(({ id }) => id === cluster.primaryInstanceId);
    record({ type: 'CREDENTIALS_REVEALED', clusterId, payload: { cluster: cluster.name, username } });
    const uri = primary?.address
      ? `${uriScheme}://${username}:${encodeURIComponent(password)}@${primary.address}:${primary.port}/${database}`
      : null;
    return { username, password, database, uri };
  });
}
