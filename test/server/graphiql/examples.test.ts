import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Actor } from '#domain/actor.ts';
import { idOf } from '#graphql/globalId.ts';
import { createGraphqlWorld, type GraphqlWorld } from '../../graphql/graphqlWorld.ts';

const folder = fileURLToPath(new URL('../../../src/server/graphiql/examples', import.meta.url));
const files = readdirSync(folder).sort();
const examples = files
  .filter((file) => file.endsWith('.graphql'))
  .map((file) => {
    const variablesFile = file.replace('.graphql', '.variables.json');
    return {
      name: file,
      query: readFileSync(join(folder, file), 'utf8'),
      variables: files.includes(variablesFile) ? readFileSync(join(folder, variablesFile), 'utf8') : '{}',
    };
  });

const backUp = /* GraphQL */ `mutation ($id: ID!) {
  backupCluster(input: { clusterId: $id }) { ... on BackupClusterPayload { backup { id operation { id } } } }
}`;
const create = examples.find(({ name }) => name.endsWith('-createCluster.graphql'));

test('the examples are numbered from 1 on, each once', () => {
  const numbers = examples.map(({ name }) => Number.parseInt(name, 10));
  expect(numbers).toEqual(examples.map((_, index) => index + 1));
});

describe('every example', () => {
  let world: GraphqlWorld;
  beforeAll(async () => {
    world = await createGraphqlWorld({ working: true });
    return () => world.close();
  });

  /** The cluster that the examples speak of, built by one of them. */
  async function createOrders(
    actor: Actor,
  ): Promise<{ clusterId: string; operationId: string; replicaId: string; backupId: string }> {
    const variables = (create?.variables ?? '').replace('postgresql', 'fake');
    const { data } = await world.ask(actor, create?.query ?? '', JSON.parse(variables));
    const { cluster, operation } = data.createCluster;
    await world.operations.ended(idOf('Operation', operation.id) ?? '');
    const listed = await world.ask(
      actor,
      'query ($id: ID!) { cluster(by: { id: $id }) { instances { nodes { id role } } } }',
      { id: cluster.id },
    );
    const replica = listed.data.cluster.instances.nodes.find(({ role }: { role: string }) => role === 'REPLICA');
    const backup = await world.ask(actor, backUp, { id: cluster.id });
    const { id: backupId, operation: taking } = backup.data.backupCluster.backup;
    await world.operations.ended(idOf('Operation', taking.id) ?? '');
    return { clusterId: cluster.id, operationId: operation.id, replicaId: replica.id, backupId };
  }

  test.each(examples)('$name says what it does, and does it', async ({ name, query, variables }) => {
    expect(query).toMatch(/^# \S/);
    const actor = await world.createActor();
    const { clusterId, operationId, replicaId, backupId } = await createOrders(actor);
    const filled = variables
      .replace('the id of a cluster', clusterId)
      .replace('the id of an operation', operationId)
      .replace('the id of a replica', replicaId)
      .replace('the id of a backup', backupId)
      .replace('postgresql', 'fake')
      .replace('"name": "orders",', '"name": "payments",')
      .replace('"after": null', `"after": "${world.feed.encode(0n)}"`);
    const answer = /^subscription /m.test(query)
      ? await firstOf(actor, query, JSON.parse(filled))
      : await world.ask(actor, query, JSON.parse(filled));
    expect(answer?.errors).toBeUndefined();
    const [result] = Object.values(answer?.data as Record<string, { code?: string } | null>);
    expect(result).not.toBeNull();
    // The operation of this test has ended well: it is neither to be cancelled nor to be tried again.
    expect(result?.code).toBe(
      {
        '25-cancelOperation.graphql': 'OPERATION_NOT_CANCELLABLE',
        '26-retryOperation.graphql': 'OPERATION_NOT_RETRYABLE',
      }[name],
    );
  });

  async function firstOf(actor: Actor, query: string, variables: Record<string, unknown>) {
    const stream = await world.subscribe(actor, query, variables);
    const answer = await stream.next();
    await stream.end();
    return answer;
  }
});
