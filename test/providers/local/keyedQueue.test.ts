import { expect, test } from 'vitest';
import { createKeyedQueue } from '#providers/local/keyedQueue.ts';

test('the same key is served in turn, also after a failure; another key at once', async () => {
  const inTurn = createKeyedQueue();
  const log: string[] = [];
  const first = Promise.withResolvers<void>();
  const one = inTurn('a', async () => {
    await first.promise;
    log.push('a1');
    throw new Error('a1 failed');
  });
  const two = inTurn('a', async () => void log.push('a2'));
  await inTurn('b', async () => void log.push('b'));
  first.resolve();
  await expect(one).rejects.toThrow('a1 failed');
  await two;
  expect(log).toEqual(['b', 'a1', 'a2']);
});
