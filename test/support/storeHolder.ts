import { serverUser } from '#lib/host/serverUser.ts';
import { createLogger } from '#lib/log/logger.ts';
import { embeddedPostgresBinaries } from '#lib/postgres/embeddedPostgresBinaries.ts';
import { openDataDirectory } from '#store/dataDirectory.ts';
import { openStore } from '#store/openStore.ts';

/** A program that takes the data directory it is given, opens the store in it, says so on standard output and waits to be killed. */
const [path] = process.argv.slice(2);
if (path === undefined) throw new Error('Usage: node test/support/storeHolder.ts DATA_DIRECTORY');
const user = serverUser();
const directory = await openDataDirectory(path, user);
console.log('locked');
const binDirectory = await embeddedPostgresBinaries({ serverUser: user, reachableCopyIn: directory.path });
const logger = createLogger({ level: 'warn', pretty: false });
const store = await openStore({
  ...{ databaseUrl: null, dataDirectory: directory.path, binDirectory, serverUser: user, logger },
});
console.log(store.url);
setInterval(() => undefined, 60_000);
