import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, globSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The servers that tests run and npm does not install, and a terminal: the program that tells that one is there, and its package by system. */
const servers = [
  { program: 'redis-server', packages: { 'apt-get': 'redis-server', dnf: 'redis', brew: 'redis' } },
  { program: 'tmux', packages: { 'apt-get': 'tmux', dnf: 'tmux', brew: 'tmux' } },
  { program: 'postgres', packages: { 'apt-get': 'postgresql', dnf: 'postgresql-server', brew: 'postgresql@17' } },
];

/** Where Debian keeps programs that are not on everybody's PATH. */
const systemDirectories = ['/usr/local/sbin', '/usr/sbin', '/sbin', ...globSync('/usr/lib/postgresql/*/bin')];

/** Debian asks this program whether a package may start its service; 101 means that it may not. */
const policy = '/usr/sbin/policy-rc.d';
const refuseServices = '#!/bin/sh\nexit 101\n';

const managers = ['apt-get', 'dnf', 'brew'] as const;

const missing = servers.filter(({ program }) => find(program) === null);
const manager = managers.find((name) => find(name) !== null);
const packages = missing.map((server) => (manager === undefined ? server.program : server.packages[manager]));

if (missing.length > 0 && manager === 'apt-get' && process.getuid?.() === 0) {
  installWithoutStarting(packages);
} else if (missing.length > 0) {
  const command = { 'apt-get': 'sudo apt-get install ', dnf: 'sudo dnf install ', brew: 'brew install ' };
  const line = `${manager === undefined ? '' : command[manager]}${packages.join(' ')}`;
  console.log(`The tests run servers that this machine lacks. Install them with:\n\n    ${line}\n`);
}

function installWithoutStarting(names: string[]): void {
  console.log(`Installing ${names.join(' ')} for the tests …`);
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, refuseServices, { mode: 0o755 });
  try {
    // A fresh machine has no list of packages. Where there is one, an update that fails is no reason to give up.
    aptGet(['update']);
    const { status, output } = aptGet(['install', '--yes', '--no-install-recommends', ...names]);
    if (status !== 0) console.error(`apt-get could not install ${names.join(' ')}.\n${output}`);
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
  const absent = missing.filter(({ program }) => find(program) === null);
  if (absent.length > 0) process.exitCode = 1;
}

function aptGet(args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('apt-get', ['--quiet', ...args], {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  return { status, output: `${stdout}${stderr}` };
}

function find(program: string): string | null {
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...systemDirectories];
  return directories.map((directory) => join(directory, program)).find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
