import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGraphqlWorld, type GraphqlWorld } from './graphqlWorld.ts';

let world: GraphqlWorld;
beforeAll(async () => {
  world = await createGraphqlWorld();
});
afterAll(() => world.close());

const nested = (levels: number): string =>
  Array.from({ length: levels }).reduce<string>((inner) => `instances { nodes { cluster { ${inner} } } }`, 'id');

describe('an operation that asks for too much', () => {
  test.each([2, 3, 8, 22, 300])(
    'is answered or refused at once: clusters of instances of clusters, %i times',
    async (levels) => {
      const actor = await world.createActor('VIEWER');
      const { data, errors } = await world.ask(actor, `{ clusters { nodes { ${nested(levels)} } } }`);
      if (levels <= 3) expect(data).toEqual({ clusters: { nodes: [] } });
      else expect(errors?.map(({ extensions }) => extensions.code)).toEqual(['QUERY_TOO_COMPLEX']);
    },
  );

  test('is refused for its breadth', async () => {
    const actor = await world.createActor('VIEWER');
    const aliases = Array.from({ length: 2000 }, (_, index) => `a${index}: totalCount`).join(' ');
    const { errors } = await world.ask(actor, `{ clusters { ${aliases} } }`);
    expect(errors?.[0]).toMatchObject({ extensions: { code: 'QUERY_TOO_COMPLEX' } });
  });
});
