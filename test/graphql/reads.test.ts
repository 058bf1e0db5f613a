import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  at,
  createGraphqlWorld,
  type GraphqlWorld,
  globalId,
  insertCluster,
  insertOperation,
  normalised,
} from './graphqlWorld.ts';

let world: GraphqlWorld;
beforeAll(async () => {
  world = await createGraphqlWorld();
});
afterAll(() => world.close());

test('a cluster is told with everything that belongs to it', async () => {
  const actor = await world.createActor();
  const cluster = await insertCluster(world, actor, {
    name: 'orders',
    instances: 2,
    networkCidr: '10.0.0.0/28',
    healthLevel: 'DEGRADED',
    status: 'BUSY',
    observation: {
      replication: {
        upstream: '10.0.0.1:5432',
        state: 'streaming',
        lagBytes: 16,
        lagSeconds: 0.5,
        position: '0/30001A8',
      },
      engine: {
        version: '18.4',
        inRecovery: true,
        timeline: 1,
        currentLsn: '0/30001A8',
        receivedLsn: '0/30001B8',
        replayedLsn: '0/30001A8',
        databaseSizeBytes: 8_000_000,
        maxConnections: 100,
        systemIdentifier: '7575',
        replicas: [],
        slots: [{ name: 's', active: true, walStatus: 'reserved', retainedBytes: null }],
      },
    },
  });
  const [first = '', second = ''] = cluster.instanceIds;
  await world.operations.deps.db.cluster.update({
    where: { id: cluster.id },
    data: {
      updatedAt: at(2),
      healthChangedAt: at(4),
      healthReasons: [{ code: 'REPLICATION_LAGGING', message: 'orders-2 is behind.', instanceId: second }],
    },
  });
  const operation = await insertOperation(world, actor, cluster.id, {
    waitingFor: 'orders-2 to report that it serves',
    steps: {
      create: [
        { key: 'verify', position: 1, name: 'verify the cluster' },
        { key: 'a', position: 0, name: 'join orders-2', instanceId: second, status: 'SUCCEEDED', startedAt: at(5) },
      ],
    },
  });
  const answer = await world.ask(
    actor,
    /* GraphQL */ `
      query ($id: ID!) {
        cluster(by: { id: $id }) {
          __typename id name version engineVersion status statusReason statusChangedAt instanceCount provider
          engine { name displayName standardPort capabilities { promotion topology } instanceCount { minimum maximum oddOnly }
            versions { version available release unavailableReason } }
          instanceSize { cpuMillis memoryMiB storageGiB }
          health { level changedAt reasons { code message instance { name } } }
          network { cidr accessRules { cidr description } }
          endpoints { kind host dnsName port uri }
          primary { name }
          deletionProtection createdAt updatedAt deletedAt
          currentOperation {
            id kind status progress waitingFor attempt clusterVersion createdAt startedAt finishedAt deadlineAt cancelRequestedAt idempotencyKey
            error { code message step retryable } result { __typename } cluster { name }
            requestedBy { kind name role keyId }
            steps { position name status attempt message startedAt finishedAt instance { name } }
          }
          allowedActions { action allowed blockers { __typename code message ... on ClusterBusyError { operation { id } } } }
          instances(first: 5) {
            totalCount
            pageInfo { hasNextPage hasPreviousPage }
            nodes { id name }
            edges { node {
              name role status statusReason statusChangedAt observedAt address port dnsName provider createdAt removedAt
              size { cpuMillis } agent { version connected lastSeenAt } storageUsedBytes connections uptimeSeconds
              replication { upstream { name } upstreamAddress state lagBytes lagSeconds position }
              engineInfo { __typename ... on PostgresInfo { version inRecovery timeline currentLsn receivedLsn replayedLsn
                connections maxConnections databaseSizeBytes replicationLagBytes replicationLagSeconds systemIdentifier
                replicas { applicationName } slots { name active walStatus retainedBytes } } }
            } }
          }
        }
      }
    `,
    { id: cluster.globalId },
  );
  const names = {
    [cluster.globalId]: '<cluster>',
    [operation.globalId]: '<operation>',
    [globalId('Instance', first)]: '<instance 1>',
    [globalId('Instance', second)]: '<instance 2>',
  };
  expect(normalised(answer, names)).toMatchInlineSnapshot(`
    {
      "data": {
        "cluster": {
          "__typename": "Cluster",
          "allowedActions": [
            {
              "action": "UPDATE_CLUSTER",
              "allowed": false,
              "blockers": [
                {
                  "__typename": "ClusterBusyError",
                  "code": "CLUSTER_BUSY",
                  "message": "Cluster "orders" is held by operation CREATE_CLUSTER. Wait for it to end, or cancel it with cancelOperation.",
                  "operation": {
                    "id": "<operation>",
                  },
                },
              ],
            },
            {
              "action": "DELETE_CLUSTER",
              "allowed": false,
              "blockers": [
                {
                  "__typename": "ClusterBusyError",
                  "code": "CLUSTER_BUSY",
                  "message": "Cluster "orders" is held by operation CREATE_CLUSTER. Wait for it to end, or cancel it with cancelOperation.",
                  "operation": {
                    "id": "<operation>",
                  },
                },
              ],
            },
            {
              "action": "PROMOTE_INSTANCE",
              "allowed": false,
              "blockers": [
                {
                  "__typename": "ClusterBusyError",
                  "code": "CLUSTER_BUSY",
                  "message": "Cluster "orders" is held by operation CREATE_CLUSTER. Wait for it to end, or cancel it with cancelOperation.",
                  "operation": {
                    "id": "<operation>",
                  },
                },
              ],
            },
            {
              "action": "REJOIN_INSTANCE",
              "allowed": false,
              "blockers": [
                {
                  "__typename": "ClusterBusyError",
                  "code": "CLUSTER_BUSY",
                  "message": "Cluster "orders" is held by operation CREATE_CLUSTER. Wait for it to end, or cancel it with cancelOperation.",
                  "operation": {
                    "id": "<operation>",
                  },
                },
              ],
            },
            {
              "action": "ADD_INSTANCES",
              "allowed": false,
              "blockers": [
                {
                  "__typename": "ClusterBusyError",
                  "code": "CLUSTER_BUSY",
                  "message": "Cluster "orders" is held by operation CREATE_CLUSTER. Wait for it to end, or cancel it with cancelOperation.",
                  "operation": {
                    "id": "<operation>",
                  },
                },
              ],
            },
            {
              "action": "DROP_INSTANCES",
              "allowed": false,
              "blockers": [
                {
                  "__typename": "ClusterBusyError",
                  "code": "CLUSTER_BUSY",
                  "message": "Cluster "orders" is held by operation CREATE_CLUSTER. Wait for it to end, or cancel it with cancelOperation.",
                  "operation": {
                    "id": "<operation>",
                  },
                },
              ],
            },
            {
              "action": "RESTART_CLUSTER",
              "allowed": false,
              "blockers": [
                {
                  "__typename": "ClusterBusyError",
                  "code": "CLUSTER_BUSY",
                  "message": "Cluster "orders" is held by operation CREATE_CLUSTER. Wait for it to end, or cancel it with cancelOperation.",
                  "operation": {
                    "id": "<operation>",
                  },
                },
              ],
            },
          ],
          "createdAt": "2026-01-01T00:00:00.000Z",
          "currentOperation": {
            "attempt": 0,
            "cancelRequestedAt": null,
            "cluster": {
              "name": "orders",
            },
            "clusterVersion": 1,
            "createdAt": "2026-01-01T00:00:00.000Z",
            "deadlineAt": "2026-01-01T00:10:00.000Z",
            "error": null,
            "finishedAt": null,
            "id": "<operation>",
            "idempotencyKey": null,
            "kind": "CREATE_CLUSTER",
            "progress": 0.5,
            "requestedBy": {
              "keyId": null,
              "kind": "SYSTEM",
              "name": "test",
              "role": null,
            },
            "result": null,
            "startedAt": null,
            "status": "RUNNING",
            "steps": [
              {
                "attempt": 0,
                "finishedAt": null,
                "instance": {
                  "name": "orders-2",
                },
                "message": null,
                "name": "join orders-2",
                "position": 0,
                "startedAt": "2026-01-01T00:00:05.000Z",
                "status": "SUCCEEDED",
              },
              {
                "attempt": 0,
                "finishedAt": null,
                "instance": null,
                "message": null,
                "name": "verify the cluster",
                "position": 1,
                "startedAt": null,
                "status": "PENDING",
              },
            ],
            "waitingFor": "orders-2 to report that it serves",
          },
          "deletedAt": null,
          "deletionProtection": false,
          "endpoints": [
            {
              "dnsName": "orders-1.test",
              "host": "10.0.0.1",
              "kind": "READ_WRITE",
              "port": 5432,
              "uri": "fake://app@10.0.0.1:5432/app",
            },
            {
              "dnsName": "orders-2.test",
              "host": "10.0.0.2",
              "kind": "READ_ONLY",
              "port": 5432,
              "uri": "fake://app@10.0.0.2:5432/app",
            },
          ],
          "engine": {
            "capabilities": {
              "promotion": true,
              "topology": "PRIMARY_REPLICA",
            },
            "displayName": "Fake",
            "instanceCount": {
              "maximum": 16,
              "minimum": 1,
              "oddOnly": false,
            },
            "name": "fake",
            "standardPort": 5432,
            "versions": [
              {
                "available": true,
                "release": "2.0",
                "unavailableReason": null,
                "version": "2",
              },
              {
                "available": false,
                "release": null,
                "unavailableReason": "Install it.",
                "version": "1",
              },
            ],
          },
          "engineVersion": "2",
          "health": {
            "changedAt": "2026-01-01T00:00:04.000Z",
            "level": "DEGRADED",
            "reasons": [
              {
                "code": "REPLICATION_LAGGING",
                "instance": {
                  "name": "orders-2",
                },
                "message": "orders-2 is behind.",
              },
            ],
          },
          "id": "<cluster>",
          "instanceCount": 2,
          "instanceSize": {
            "cpuMillis": 1000,
            "memoryMiB": 512,
            "storageGiB": 10,
          },
          "instances": {
            "edges": [
              {
                "node": {
                  "address": "10.0.0.1",
                  "agent": {
                    "connected": false,
                    "lastSeenAt": "2026-01-01T00:00:03.000Z",
                    "version": "0.1.0",
                  },
                  "connections": 3,
                  "createdAt": "2026-01-01T00:00:00.000Z",
                  "dnsName": "orders-1.test",
                  "engineInfo": {
                    "__typename": "PostgresInfo",
                    "connections": 3,
                    "currentLsn": "0/30001A8",
                    "databaseSizeBytes": "8000000",
                    "inRecovery": true,
                    "maxConnections": 100,
                    "receivedLsn": "0/30001B8",
                    "replayedLsn": "0/30001A8",
                    "replicas": [],
                    "replicationLagBytes": "16",
                    "replicationLagSeconds": 0.5,
                    "slots": [
                      {
                        "active": true,
                        "name": "s",
                        "retainedBytes": null,
                        "walStatus": "reserved",
                      },
                    ],
                    "systemIdentifier": "7575",
                    "timeline": 1,
                    "version": "18.4",
                  },
                  "name": "orders-1",
                  "observedAt": "2026-01-01T00:00:03.000Z",
                  "port": 5432,
                  "provider": "fake",
                  "removedAt": null,
                  "replication": {
                    "lagBytes": "16",
                    "lagSeconds": 0.5,
                    "position": "0/30001A8",
                    "state": "streaming",
                    "upstream": {
                      "name": "orders-1",
                    },
                    "upstreamAddress": "10.0.0.1:5432",
                  },
                  "role": "PRIMARY",
                  "size": {
                    "cpuMillis": 1000,
                  },
                  "status": "ACTIVE",
                  "statusChangedAt": "2026-01-01T00:00:01.000Z",
                  "statusReason": null,
                  "storageUsedBytes": "40000000000",
                  "uptimeSeconds": 2,
                },
              },
              {
                "node": {
                  "address": "10.0.0.2",
                  "agent": {
                    "connected": false,
                    "lastSeenAt": "2026-01-01T00:00:03.000Z",
                    "version": "0.1.0",
                  },
                  "connections": 3,
                  "createdAt": "2026-01-01T00:00:00.000Z",
                  "dnsName": "orders-2.test",
                  "engineInfo": {
                    "__typename": "PostgresInfo",
                    "connections": 3,
                    "currentLsn": "0/30001A8",
                    "databaseSizeBytes": "8000000",
                    "inRecovery": true,
                    "maxConnections": 100,
                    "receivedLsn": "0/30001B8",
                    "replayedLsn": "0/30001A8",
                    "replicas": [],
                    "replicationLagBytes": "16",
                    "replicationLagSeconds": 0.5,
                    "slots": [
                      {
                        "active": true,
                        "name": "s",
                        "retainedBytes": null,
                        "walStatus": "reserved",
                      },
                    ],
                    "systemIdentifier": "7575",
                    "timeline": 1,
                    "version": "18.4",
                  },
                  "name": "orders-2",
                  "observedAt": "2026-01-01T00:00:03.000Z",
                  "port": 5432,
                  "provider": "fake",
                  "removedAt": null,
                  "replication": {
                    "lagBytes": "16",
                    "lagSeconds": 0.5,
                    "position": "0/30001A8",
                    "state": "streaming",
                    "upstream": {
                      "name": "orders-1",
                    },
                    "upstreamAddress": "10.0.0.1:5432",
                  },
                  "role": "REPLICA",
                  "size": {
                    "cpuMillis": 1000,
                  },
                  "status": "ACTIVE",
                  "statusChangedAt": "2026-01-01T00:00:01.000Z",
                  "statusReason": null,
                  "storageUsedBytes": "40000000000",
                  "uptimeSeconds": 2,
                },
              },
            ],
            "nodes": [
              {
                "id": "<instance 1>",
                "name": "orders-1",
              },
              {
                "id": "<instance 2>",
                "name": "orders-2",
              },
            ],
            "pageInfo": {
              "hasNextPage": false,
              "hasPreviousPage": false,
            },
            "totalCount": 2,
          },
          "name": "orders",
          "network": {
            "accessRules": [
              {
                "cidr": "127.0.0.0/8",
                "description": "This host",
              },
            ],
            "cidr": "10.0.0.0/28",
          },
          "primary": {
            "name": "orders-1",
          },
          "provider": "fake",
          "status": "BUSY",
          "statusChangedAt": "2026-01-01T00:00:01.000Z",
          "statusReason": null,
          "updatedAt": "2026-01-01T00:00:02.000Z",
          "version": 1,
        },
      },
    }
  `);
});

test('what was never observed is null', async () => {
  const actor = await world.createActor();
  const { id, globalId: clusterId } = await insertCluster(world, actor, { status: 'BUILDING', lifecycle: 'BUILDING' });
  await world.operations.deps.db.instance.create({
    data: {
      projectId: actor.projectId,
      clusterId: id,
      name: 'i',
      cpuMillis: 1,
      memoryMiB: 1,
      storageGiB: 1,
      provider: 'fake',
    },
  });
  const answer = await world.ask(
    actor,
    /* GraphQL */ `
      query ($id: ID!) {
        cluster(by: { id: $id }) {
          health { level reasons { code } changedAt } network { cidr } endpoints { uri } primary { name } currentOperation { id }
          instances { nodes {
            role status observedAt address port dnsName agent { version } storageUsedBytes connections uptimeSeconds
            replication { state } engineInfo { __typename }
          } }
        }
      }
    `,
    { id: clusterId },
  );
  expect(answer).toMatchInlineSnapshot(`
    {
      "data": {
        "cluster": {
          "currentOperation": null,
          "endpoints": [],
          "health": {
            "changedAt": null,
            "level": "UNKNOWN",
            "reasons": [],
          },
          "instances": {
            "nodes": [
              {
                "address": null,
                "agent": null,
                "connections": null,
                "dnsName": null,
                "engineInfo": null,
                "observedAt": null,
                "port": null,
                "replication": null,
                "role": null,
                "status": "PENDING",
                "storageUsedBytes": null,
                "uptimeSeconds": null,
              },
            ],
          },
          "network": {
            "cidr": null,
          },
          "primary": null,
        },
      },
    }
  `);
});

test('the viewer is told who it is', async () => {
  const actor = await world.createActor('OPERATOR');
  const answer = await world.ask(
    actor,
    '{ viewer { role key { id name role publicId createdAt expiresAt revokedAt } project { name } } }',
  );
  const { key, project, role } = answer.data.viewer;
  expect({ role, name: key.name, keyRole: key.role, expiresAt: key.expiresAt, revokedAt: key.revokedAt }).toEqual({
    role: 'OPERATOR',
    name: 'test key',
    keyRole: 'OPERATOR',
    expiresAt: null,
    revokedAt: null,
  });
  expect(key.publicId).toMatch(/^[0-9a-f]{16}$/);
  expect(project.name).toMatch(/^[0-9a-f-]{36}$/);
});

test('events are told oldest first, with opaque ids in their payloads, and paged by the cursors of the subscriptions', async () => {
  const actor = await world.createActor();
  const cluster = await insertCluster(world, actor, { instances: 1 });
  const [instanceId = ''] = cluster.instanceIds;
  const row = {
    projectId: actor.projectId,
    actor: { kind: 'SYSTEM', projectId: actor.projectId, name: 'monitor' },
    at: at(1),
  };
  await world.operations.deps.db.event.createMany({
    data: [
      {
        ...row,
        seq: 2,
        type: 'CLUSTER_STATUS_CHANGED',
        clusterId: cluster.id,
        fromStatus: 'BUILDING',
        toStatus: 'ACTIVE',
      },
      {
        ...row,
        seq: 3,
        type: 'INSTANCE_ROLE_CHANGED',
        clusterId: cluster.id,
        instanceId,
        payload: { reasons: [{ instanceId }] },
      },
    ],
  });
  const document = /* GraphQL */ `
    query ($first: Int, $after: Cursor, $last: Int, $before: Cursor, $filter: EventFilter) {
      events(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
        totalCount pageInfo { hasNextPage hasPreviousPage endCursor startCursor }
        nodes { cursor type at fromStatus toStatus payload actor { kind name } clusterId instanceId operationId
          cluster { status } instance { role } operation { id } }
      }
    }
  `;
  const names = { [cluster.globalId]: '<cluster>', [globalId('Instance', instanceId)]: '<instance>' };
  const whole = await world.ask(actor, document, { first: 10 });
  expect(whole.data.events.nodes.map((node: { type: string }) => node.type)).toEqual([
    'API_KEY_CREATED',
    'CLUSTER_STATUS_CHANGED',
    'INSTANCE_ROLE_CHANGED',
  ]);
  const newest = await world.ask(actor, document, { last: 1, filter: { clusterIds: [cluster.globalId] } });
  const cursors = { [newest.data.events.pageInfo.endCursor]: '<cursor>' };
  expect(normalised(newest, { ...names, ...cursors })).toMatchInlineSnapshot(`
    {
      "data": {
        "events": {
          "nodes": [
            {
              "actor": {
                "kind": "SYSTEM",
                "name": "monitor",
              },
              "at": "2026-01-01T00:00:01.000Z",
              "cluster": {
                "status": "ACTIVE",
              },
              "clusterId": "<cluster>",
              "cursor": "<cursor>",
              "fromStatus": null,
              "instance": {
                "role": "PRIMARY",
              },
              "instanceId": "<instance>",
              "operation": null,
              "operationId": null,
              "payload": {
                "reasons": [
                  {
                    "instanceId": "<instance>",
                  },
                ],
              },
              "toStatus": null,
              "type": "INSTANCE_ROLE_CHANGED",
            },
          ],
          "pageInfo": {
            "endCursor": "<cursor>",
            "hasNextPage": false,
            "hasPreviousPage": true,
            "startCursor": "<cursor>",
          },
          "totalCount": 2,
        },
      },
    }
  `);
  const page = await world.ask(actor, document, { first: 1, after: whole.data.events.nodes[0].cursor });
  expect(page.data.events.nodes).toEqual([whole.data.events.nodes[1]]);
  const before = await world.ask(actor, document, { last: 1, before: newest.data.events.pageInfo.startCursor });
  expect(before.data.events.nodes).toEqual([whole.data.events.nodes[1]]);
  const ofCluster = await world.ask(actor, 'query ($id: ID!) { cluster(by: { id: $id }) { events { totalCount } } }', {
    id: cluster.globalId,
  });
  expect(ofCluster.data.cluster.events.totalCount).toBe(2);
});

test('a cursor beyond all that can be stored tells nothing', async () => {
  const actor = await world.createActor();
  const after = world.feed.encode(2n ** 64n - 1n);
  const answer = await world.ask(actor, 'query ($after: Cursor) { events(after: $after) { nodes { at } } }', { after });
  expect(answer).toEqual({ data: { events: { nodes: [] } } });
});

test('a cursor that is none is refused clearly', async () => {
  const actor = await world.createActor();
  const { errors } = await world.ask(actor, '{ events(after: "x") { nodes { at } } }');
  expect(errors).toMatchObject([
    { message: '"after" is not a cursor. Pass one that this API gave you.', extensions: { code: 'BAD_USER_INPUT' } },
  ]);
});
