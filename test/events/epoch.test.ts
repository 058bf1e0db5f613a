import { execFile } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { createFeed } from '#events/feed.ts';
import { createInProcessBus } from '#events/inProcessBus.ts';
import { serverUser } from '#lib/host/serverUser.ts';
import { embeddedPostgresBinaries } from '#lib/postgres/embeddedPostgresBinaries.ts';
import { systemClock } from '#lib/time/clock.ts';
import { openStore } from '#store/openStore.ts';
import { createProjectLog, Reading } from '../support/projectLog.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const logger = pino({ level: 'silent' });

async function open(dataDirectory: string) {
  const user = serverUser();
  const binDirectory = await embeddedPostgresBinaries({ serverUser: user, reachableCopyIn: dataDirectory });
  const store = await openStore({ databaseUrl: null, dataDirectory, binDirectory, serverUser: user, logger });
  onTestFinished(() => store.close());
  const bus = createInProcessBus();
  const feed = await createFeed({ db: store.db, bus, clock: systemClock, logger });
  onTestFinished(() => feed.close());
  return { store, bus, feed };
}

test('a store that was put back from a copy of its files has another epoch; one that was only started again has not', async () => {
  const directory = await temporaryDirectory();
  const first = await open(directory);
  const { projectId, write } = await createProjectLog(first.store.db, first.bus);
  await write('one');
  const beforeCopy = await first.feed.cursorNow(projectId);
  await first.store.close();
  await promisify(execFile)('cp', ['-a', join(directory, 'store'), join(directory, 'copy')]);

  const second = await open(directory);
  expect(await second.feed.cursorNow(projectId)).toBe(beforeCopy);
  await second.store.close();

  await rename(join(directory, 'store'), join(directory, 'set-aside'));
  await rename(join(directory, 'copy'), join(directory, 'store'));
  const restored = await open(directory);
  const reading = new Reading(restored.feed, { projectId, after: beforeCopy });
  expect(await reading.next()).toMatchObject({ kind: 'gap', reason: 'FOREIGN_EPOCH' });
  await reading.end();
}, 60_000);
