/**
 * An agent as a provider sees one: it starts a server in its instance's directory, in a session of its own, unless one runs, and
 * leaves it running when it is told to end. Writes the server's pid to `server.pid`.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processIsRunning } from '#lib/host/processes.ts';

const [, , directory = '', mode] = process.argv;
const pidFile = join(directory, 'server.pid');

if (mode === 'stubborn') process.on('SIGTERM', () => {});
else process.on('SIGTERM', () => process.exit(0));

if (!serverRuns()) {
  const server = spawn('sleep', ['600'], { cwd: directory, detached: true, stdio: 'ignore' });
  writeFileSync(`${pidFile}.new`, String(server.pid));
  renameSync(`${pidFile}.new`, pidFile);
}
setInterval(() => {}, 60_000);

function serverRuns(): boolean {
  return existsSync(pidFile) && processIsRunning(Number(readFileSync(pidFile, 'utf8')));
}
