import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { createGraphqlWorld, type GraphqlWorld, insertCluster, insertOperation } from '../../graphql/graphqlWorld.ts';

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

describe('every example', () => {
  let world: GraphqlWorld;
  beforeAll(async () => {
    world = await createGraphqlWorld();
    return () => world.close();
  });

  test.each(examples)('$name says what it does, and does it', async ({ query, variables }) => {
    expect(query).toMatch(/^# \S/);
    const actor = await world.createActor();
    const { id, globalId } = await insertCluster(world, actor, { name: 'orders', instances: 3, engine: 'fake' });
    const operation = await insertOperation(world, actor, id, { finishedAt: new Date(), status: 'FAILED' });
    const filled = variables
      .replace('the id of a cluster', globalId)
      .replace('the id of an operation', operation.globalId)
      .replace('"postgresql"', '"fake"');
    // The name is taken here, by the cluster that the other examples need.
    const given = JSON.parse(filled.replace('"name": "orders",\n', '"name": "orders-2",\n'));
    if (query.includes('\nsubscription ')) {
      const stream = await world.subscribe(
        actor,
        query,
        query.includes('events(after') ? { after: world.feed.encode(0n) } : given,
      );
      const answer = await stream.next();
      await stream.end();
      expect(answer?.errors).toBeUndefined();
    } else {
      const { data, errors } = await world.ask(actor, query, given);
      expect(errors).toBeUndefined();
      const [result] = Object.values(data as Record<string, { code?: string } | null>);
      expect(result).not.toBeNull();
      // Cancelling and retrying depend on how far the operation is: a typed answer is an answer.
      if (!/cancel|retry/i.test(query)) expect(result?.code).toBeUndefined();
    }
  });
});
