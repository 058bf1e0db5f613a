import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { systemFault } from '#lib/faults/systemFault.ts';

test('what the system refuses is told without the place', async () => {
  const error = await readFile('/nonexistent/agent.json').catch((cause: unknown) => cause);
  expect(systemFault(error)).toEqual({
    code: 'ENOENT',
    message: 'open agent.json: no such file or directory (ENOENT)',
  });
});

test.each([new TypeError('a bug'), Object.assign(new Error('of a library'), { code: 'ERR_X' }), 'text', null])(
  '%s is not the system’s',
  (error) => {
    expect(systemFault(error)).toBeNull();
  },
);
