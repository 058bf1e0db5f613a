import type { Observation } from '#domain/observation.ts';
import { type PostgresObservation, postgresObservation } from '#engines/postgresql/observation.ts';
import { builder } from '../builder.ts';

type PostgresReplica = PostgresObservation['replicas'][number];
type PostgresSlot = PostgresObservation['slots'][number];
/** PostgreSQL's own part of an observation, and the part that every engine has. */
type PostgresFacts = PostgresObservation & { common: Observation };

const PostgresReplica = builder.objectRef<PostgresReplica>('PostgresReplica').implement({
  description: 'A replica as its primary sees it.',
  fields: (t) => ({
    applicationName: t.exposeString('applicationName', { description: 'The name that the replica connects with.' }),
    state: t.exposeString('state', { description: 'In the word of PostgreSQL, e.g. "streaming".' }),
    lagBytes: t.expose('lagBytes', {
      type: 'BigInt',
      nullable: true,
      description: 'WAL that it has not replayed, in bytes; null if not known yet.',
    }),
    syncState: t.exposeString('syncState', { description: 'In the word of PostgreSQL, e.g. "async".' }),
  }),
});

const PostgresSlot = builder.objectRef<PostgresSlot>('PostgresReplicationSlot').implement({
  description: 'A replication slot: it holds WAL back until its replica has it.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique on its server.' }),
    active: t.exposeBoolean('active', { description: 'True if a replica is connected to it.' }),
    walStatus: t.exposeString('walStatus', {
      nullable: true,
      description: 'In the word of PostgreSQL: "reserved", "extended", "unreserved" or "lost".',
    }),
    retainedBytes: t.expose('retainedBytes', {
      type: 'BigInt',
      nullable: true,
      description: 'WAL that it holds back, in bytes; null if not known.',
    }),
  }),
});

const PostgresInfo = builder.objectRef<PostgresFacts>('PostgresInfo').implement({
  description: 'What only PostgreSQL has, as its server told when the instance was last observed.',
  fields: (t) => ({
    version: t.exposeString('version', { description: 'The exact release of the server, e.g. "18.4".' }),
    inRecovery: t.exposeBoolean('inRecovery', {
      description: 'True on a replica: it replays WAL and accepts no writes.',
    }),
    timeline: t.exposeInt('timeline', {
      nullable: true,
      description: 'The timeline: one more with each promotion; null if not known.',
    }),
    currentLsn: t.exposeString('currentLsn', {
      nullable: true,
      description: 'The position that is written (primary) or replayed (replica), as an LSN; null if not known.',
    }),
    receivedLsn: t.exposeString('receivedLsn', {
      nullable: true,
      description: 'The position up to which a replica has received WAL, as an LSN; null on a primary.',
    }),
    replayedLsn: t.exposeString('replayedLsn', {
      nullable: true,
      description: 'The position up to which a replica has replayed WAL, as an LSN; null on a primary.',
    }),
    connections: t.int({
      nullable: true,
      description: 'Client connections.',
      resolve: ({ common }) => common.connections,
    }),
    maxConnections: t.exposeInt('maxConnections', { description: 'The most connections that the server accepts.' }),
    databaseSizeBytes: t.expose('databaseSizeBytes', {
      type: 'BigInt',
      nullable: true,
      description: 'The size of all databases without the templates, in bytes; null if not measured yet.',
    }),
    replicationLagBytes: t.field({
      type: 'BigInt',
      nullable: true,
      description: 'WAL that this replica has not replayed, in bytes; null on a primary and if not known.',
      resolve: ({ common }) => common.replication?.lagBytes ?? null,
    }),
    replicationLagSeconds: t.float({
      nullable: true,
      description:
        'Seconds since the change was made that this replica replayed last; null on a primary and if not known.',
      resolve: ({ common }) => common.replication?.lagSeconds ?? null,
    }),
    systemIdentifier: t.exposeString('systemIdentifier', {
      description: 'Identifies the body of data: the same on all instances of a cluster.',
    }),
    replicas: t.expose('replicas', {
      type: [PostgresReplica],
      description: 'Those that follow it; empty on a replica.',
    }),
    slots: t.expose('slots', { type: [PostgresSlot], description: 'Its replication slots.' }),
  }),
});

export const EngineInfo = builder.unionType('EngineInfo', {
  description: 'What only one engine has. More members may be added, one for each engine.',
  types: [PostgresInfo],
  resolveType: () => PostgresInfo,
});

/** The engine's own part of an observation. Null: the server was not serving when it was made, or was never observed. */
export function engineInfoOf(observation: Observation | null): PostgresFacts | null {
  const postgres = observation && postgresObservation(observation.engine);
  return postgres && { ...postgres, common: observation };
}
