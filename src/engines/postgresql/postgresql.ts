import { randomUUID } from 'node:crypto';
import type { InstanceFacts } from '#domain/facts.ts';
import { StepFailure } from '#domain/stepFailure.ts';
import type { BackedUpPart, Engine, EngineContext, StoredPart } from '../engine.ts';
import { applySynchronous } from './applySynchronous.ts';
import type { PostgresqlCommands } from './commands.ts';
import { furthestPart } from './furthestPart.ts';
import { accessOf, addressOf } from './group.ts';
import { postgresqlHealth } from './health.ts';
import { abandonedSlots, leave, release } from './leave.ts';
import { primaryOf } from './primaryOf.ts';
import { restart, restartOrder } from './restart.ts';
import { adminRole, clientDatabase, clientRole, replicatorRole } from './roles.ts';
import { slotName } from './slotName.ts';
import { promotion } from './switchover.ts';
import type { PostgresqlToolchain } from './toolchain.ts';

/** PostgreSQL with streaming replication: one primary, replicas that follow it through replication slots. */
export function createPostgresql(toolchain: PostgresqlToolchain): Engine {
  return {
    name: 'postgresql',
    displayName: 'PostgreSQL',
    standardPort: 5432,
    capabilities: { promotion: true, topology: 'PRIMARY_REPLICA' },
    size: { minimum: 1, maximum: 16, oddOnly: false },
    secretNames: [adminRole, replicatorRole, clientRole],
    clientAccess: { secretName: clientRole, username: clientRole, database: clientDatabase, uriScheme: 'postgresql' },
    versions: () => toolchain.versions(),
    health: postgresqlHealth,
    bootstrap,
    join,
    release,
    leave,
    restartOrder,
    restart,
    applyAccess,
    applySynchronous,
    promotion,
    backUp,
    furthest: furthestPart,
    restore,
    lead,
    follow,
    verify,
  };
}

async function bootstrap({ cluster, send }: EngineContext, first: InstanceFacts): Promise<void> {
  await send<PostgresqlCommands, 'initialize'>(first, 'initialize', { access: accessOf(cluster) });
}

async function join({ cluster, send }: EngineContext, joining: InstanceFacts): Promise<void> {
  const primary = primaryOf(cluster);
  const slot = slotName(joining.id);
  const abandoned = abandonedSlots(cluster, primary);
  if (abandoned.length > 0) await send<PostgresqlCommands, 'dropSlots'>(primary, 'dropSlots', { slotNames: abandoned });
  const { promotions } = await send<PostgresqlCommands, 'ensureSlots'>(primary, 'ensureSlots', { slotNames: [slot] });
  await send<PostgresqlCommands, 'clone'>(joining, 'clone', {
    primary: addressOf(primary),
    slotName: slot,
    access: accessOf(cluster),
    promotions,
  });
}

async function applyAccess({ cluster, send }: EngineContext, instance: InstanceFacts): Promise<void> {
  await send<PostgresqlCommands, 'applyAccess'>(instance, 'applyAccess', { access: accessOf(cluster) });
}

async function backUp(
  { send }: EngineContext,
  instance: InstanceFacts,
  file: Pick<StoredPart, 'store' | 'key'>,
): Promise<BackedUpPart> {
  const { start, end, ...part } = await send<PostgresqlCommands, 'backUp'>(instance, 'backUp', file);
  return { ...part, startPosition: start.lsn, endPosition: end.lsn, timeline: end.timeline };
}

async function restore({ send }: EngineContext, instance: InstanceFacts, part: StoredPart): Promise<void> {
  await send<PostgresqlCommands, 'restore'>(instance, 'restore', split(part));
}

async function lead({ cluster, send }: EngineContext, instance: InstanceFacts, part: StoredPart): Promise<void> {
  await send<PostgresqlCommands, 'lead'>(instance, 'lead', { ...split(part), access: accessOf(cluster) });
}

async function follow(context: EngineContext, instance: InstanceFacts, part: StoredPart): Promise<string | null> {
  const { cluster, send } = context;
  const primary = primaryOf(cluster);
  const slot = slotName(instance.id);
  await send<PostgresqlCommands, 'ensureSlots'>(primary, 'ensureSlots', { slotNames: [slot] });
  const { reason } = await send<PostgresqlCommands, 'followPart'>(instance, 'followPart', {
    ...split(part),
    primary: addressOf(primary),
    slotName: slot,
    access: accessOf(cluster),
  });
  if (reason !== null) await join(context, instance);
  return reason;
}

/** As commands have it: the agent looks for the store beside the rest. */
function split({ store, ...part }: StoredPart): { store: StoredPart['store']; part: Omit<StoredPart, 'store'> } {
  return { store, part };
}

async function verify({ cluster, send, waitingFor }: EngineContext): Promise<void> {
  const primary = primaryOf(cluster);
  const token = randomUUID();
  await send<PostgresqlCommands, 'writeProbe'>(primary, 'writeProbe', { token });
  waitingFor('a row written on the primary to be read on every instance');
  await Promise.all(
    cluster.instances.map(async (instance) => {
      const found = await send<PostgresqlCommands, 'readProbe'>(instance, 'readProbe', { token });
      assertRole(instance, instance.id === primary.id ? 'PRIMARY' : 'REPLICA', found);
    }),
  );
  waitingFor(null);
}

function assertRole(
  instance: InstanceFacts,
  wanted: 'PRIMARY' | 'REPLICA',
  found: PostgresqlCommands['readProbe']['result'],
): void {
  if (found.role !== wanted) {
    throw new StepFailure('WRONG_ROLE', `${instance.name} is a ${found.role} where a ${wanted} is wanted.`);
  }
  if (wanted === 'REPLICA' && found.replicationState !== 'streaming') {
    throw new StepFailure('NOT_STREAMING', `${instance.name} does not stream from its primary.`, { retryable: true });
  }
}
