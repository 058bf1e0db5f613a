import { afterAll, beforeAll, beforeEach } from 'vitest';
import { createTestOperations, type TestOperations } from '../support/operations.ts';
import { activeCluster, type TestCluster } from './clusterWorld.ts';

/** One Grove for a test file, without workers; before each test its machines do as they are told, and there is a new cluster of three. */
export function beforeEachPromotion(begin: (world: { grove: TestOperations; cluster: TestCluster }) => void): void {
  let grove: TestOperations;
  beforeAll(async () => {
    grove = await createTestOperations({ working: false });
  });
  afterAll(() => grove.close());
  beforeEach(async () => {
    grove.machines.interfere(async () => {});
    const cluster = await activeCluster(grove, 3);
    grove.machines.calls.length = 0;
    begin({ grove, cluster });
  });
}
