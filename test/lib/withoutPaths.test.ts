import { expect, test } from 'vitest';
import { withoutPaths } from '#lib/faults/withoutPaths.ts';

test.each([
  ['could not open file "/srv/my data/base/1": Permission denied', 'could not open file "1": Permission denied'],
  ["EACCES: permission denied, open '/srv/grove/agent.json'", "EACCES: permission denied, open 'agent.json'"],
  ['cannot access /srv/grove/data/: it is closed', 'cannot access data: it is closed'],
  ['no pg_hba.conf entry for 127.0.0.1/32, read/write', 'no pg_hba.conf entry for 127.0.0.1/32, read/write'],
  ['see https://example.org/a/b', 'see https://example.org/a/b'],
])('%s', (text, expected) => {
  expect(withoutPaths(text)).toBe(expected);
});
