import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { toGlobalId } from '#graphql/globalId.ts';
import { accept } from '#operations/accept.ts';
import { backupCluster } from '#operations/backupCluster.ts';
import { deleteBackup } from '#operations/deleteBackup.ts';
import type { OperationDefinition } from '#operations/operation.ts';
import { promoteInstance } from '#operations/promoteInstance.ts';
import { rejoinInstance } from '#operations/rejoinInstance.ts';
import { restoreCluster } from '#operations/restoreCluster.ts';
import { runOperation } from '#operations/runOperation.ts';
import { settleCluster } from '#operations/settleCluster.ts';
import { verifyBackup } from '#operations/verifyBackup.ts';
import { activeCluster, clusterOf, never, once, type TestCluster } from '../operations/clusterWorld.ts';
import { createGraphqlWorld, type GraphqlWorld } from './graphqlWorld.ts';

let world: GraphqlWorld;
let cluster: TestCluster;
beforeAll(async () => {
  world = await createGraphqlWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  cluster = await activeCluster(world.operations, 2);
});

/** Asks for it, has it done, and reads what it brought about. */
async function resultOf<Input>(definition: OperationDefinition<Input>, input: object, selection: string) {
  const { deps } = world.operations;
  const { operationId } = await accept(deps, cluster.actor, definition, input, once);
  await runOperation(deps, operationId, never);
  const document = `query ($id: ID!) {
    node(id: $id) { ... on Operation { kind status error { code message } result { __typename ${selection} } } }
  }`;
  const { data, errors } = await world.ask(cluster.actor, document, { id: toGlobalId('Operation', operationId) });
  expect(errors).toBe(undefined);
  return data.node;
}

async function instanceNamed(name: string): Promise<string> {
  const { instances } = await clusterOf(world.operations, cluster.clusterId);
  return instances.find((instance) => instance.name === name)?.id ?? '';
}

test('a replica that is brought back is told with how, and with what only it had', async () => {
  const { deps, machines } = world.operations;
  const instanceId = await instanceNamed('orders-2');
  await machines.observe(instanceId, { serving: false, role: 'PRIMARY' });
  await settleCluster(deps, cluster.clusterId);
  const input = { clusterId: cluster.clusterId, instanceId };
  const selection = '... on InstanceRejoined { instance { name role status } how discardedBytes }';
  expect(await resultOf(rejoinInstance, input, selection)).toEqual({
    ...{ kind: 'REJOIN_INSTANCE', status: 'SUCCEEDED', error: null },
    result: {
      __typename: 'InstanceRejoined',
      instance: { name: 'orders-2', role: 'REPLICA', status: 'ACTIVE' },
      how: 'ATTACHED',
      discardedBytes: '0',
    },
  });
});

test('a promotion is told with both primaries', async () => {
  const input = { clusterId: cluster.clusterId, mode: 'PLANNED' };
  const selection = `... on InstancePromoted {
    mode oldPrimary { name } newPrimary { name } lossBytes lossBasis oldPrimaryRejoined rejoinFailure
  }`;
  expect(await resultOf(promoteInstance, input, selection)).toEqual({
    ...{ kind: 'PROMOTE_INSTANCE', status: 'SUCCEEDED', error: null },
    result: {
      ...{ __typename: 'InstancePromoted', mode: 'PLANNED' },
      ...{ oldPrimary: { name: 'orders-1' }, newPrimary: { name: 'orders-2' } },
      ...{ lossBytes: '0', lossBasis: 'NONE', oldPrimaryRejoined: 'ATTACHED', rejoinFailure: null },
    },
  });
});

/** A completed backup of the cluster, by its id in the store. */
async function backedUp(): Promise<string> {
  const { deps } = world.operations;
  const input = { clusterId: cluster.clusterId, name: 'nightly' };
  const { operationId } = await accept(deps, cluster.actor, backupCluster, input, once);
  await runOperation(deps, operationId, never);
  return (await deps.db.backup.findUniqueOrThrow({ where: { operationId } })).id;
}

test('a backup is told with its parts', async () => {
  const input = { clusterId: cluster.clusterId, name: 'nightly' };
  const selection = '... on ClusterBackedUp { backup { name status parts { instanceName status dataBytes } } }';
  const part = { status: 'COMPLETED', dataBytes: '1000' };
  expect(await resultOf(backupCluster, input, selection)).toEqual({
    ...{ kind: 'BACKUP_CLUSTER', status: 'SUCCEEDED', error: null },
    result: {
      __typename: 'ClusterBackedUp',
      backup: {
        ...{ name: 'nightly', status: 'COMPLETED' },
        parts: [
          { instanceName: 'orders-1', ...part },
          { instanceName: 'orders-2', ...part },
        ],
      },
    },
  });
});

test('a restore is told with the new primary and with those that it had to copy', async () => {
  const input = { name: 'copy', backupId: await backedUp() };
  const selection =
    '... on ClusterRestored { primary { name role cluster { name } } seededAgain { instance { name } reason } }';
  expect(await resultOf(restoreCluster, input, selection)).toEqual({
    ...{ kind: 'RESTORE_CLUSTER', status: 'SUCCEEDED', error: null },
    result: {
      __typename: 'ClusterRestored',
      primary: { name: 'copy-1', role: 'PRIMARY', cluster: { name: 'copy' } },
      seededAgain: [],
    },
  });
});

test('a backup that was deleted is told by its record', async () => {
  const input = { clusterId: cluster.clusterId, backupId: await backedUp() };
  expect(await resultOf(deleteBackup, input, '... on BackupDeleted { backup { name status } }')).toEqual({
    ...{ kind: 'DELETE_BACKUP', status: 'SUCCEEDED', error: null },
    result: { __typename: 'BackupDeleted', backup: { name: 'nightly', status: 'DELETED' } },
  });
});

test('a backup that was verified is told with those that its restore had to copy', async () => {
  const { machines } = world.operations;
  const backupId = await backedUp();
  const { follow } = machines.engine;
  machines.engine.follow = async (...call) => {
    await follow(...call);
    return 'Its part ends on another timeline.';
  };
  const selection = `... on BackupVerified { backup { name status lastVerifiedAt } seededAgain { instance { name status } reason } }`;
  const told = await resultOf(verifyBackup, { backupId }, selection);
  machines.engine.follow = follow;
  expect(told).toEqual({
    ...{ kind: 'VERIFY_BACKUP', status: 'SUCCEEDED', error: null },
    result: {
      __typename: 'BackupVerified',
      backup: { name: 'nightly', status: 'COMPLETED', lastVerifiedAt: expect.stringMatching(/^\d{4}-/) },
      seededAgain: [
        {
          instance: { name: expect.stringMatching(/^verify-.+-2$/), status: 'REMOVED' },
          reason: 'Its part ends on another timeline.',
        },
      ],
    },
  });
});
