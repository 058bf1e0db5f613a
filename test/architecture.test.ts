import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const source = resolve(import.meta.dirname, '../src');

/** The top-level files are the composition root: they may import everything, and only `main.ts` has effects when imported. */
const root = 'root';

/** Who may import whom. `lib` and `generated` are open to all but `lib` itself knows nobody. */
const mayImport: Record<string, readonly string[]> = {
  [root]: [
    'agent',
    'auth',
    'backups',
    'cli',
    'domain',
    'engines',
    'events',
    'fleet',
    'graphql',
    'jobs',
    'monitors',
    'operations',
    'providers',
    'server',
    'store',
    'webhooks',
  ],
  server: ['agent', 'auth', 'domain', 'events', 'graphql', 'operations'],
  graphql: ['auth', 'domain', 'engines', 'events', 'operations', 'store', 'webhooks'],
  auth: ['domain', 'events', 'store'],
  webhooks: ['domain', 'events', 'store'],
  monitors: ['domain', 'operations', 'store'],
  operations: ['backups', 'domain', 'engines', 'events', 'jobs', 'providers', 'store'],
  fleet: ['agent', 'domain', 'engines', 'events', 'store'],
  engines: ['backups', 'domain'],
  providers: ['agent', 'domain'],
  agent: ['backups', 'domain', 'engines'],
  backups: [],
  jobs: ['store'],
  events: ['domain', 'store'],
  store: [],
  cli: ['client'],
  client: [],
  domain: [],
  lib: [],
};

/** Single files that an otherwise closed folder may take from another, each with its reason. */
const exceptions: Record<string, string> = {
  'providers → agent': 'protocol.ts: a provider writes the assignment that an agent reads',
  'fleet → agent': 'protocol.ts: the two ends of one wire',
  'fleet → engines': 'engine.ts: the types of commands',
  'server → agent': 'protocol.ts: the path of the wire',
};
const onlyFile: Record<string, readonly string[]> = {
  'providers → agent': ['agent/protocol.ts'],
  'fleet → agent': ['agent/protocol.ts'],
  'fleet → engines': ['engines/engine.ts'],
  'server → agent': ['agent/protocol.ts'],
  'operations → engines': ['engines/engine.ts'],
  'operations → providers': ['providers/provider.ts'],
  'server → operations': ['operations/deps.ts'],
};

const files = globSync('**/*.ts', { cwd: source }).filter((file) => !file.startsWith('generated/'));
const text = new Map(files.map((file) => [file, readFileSync(join(source, file), 'utf8')]));
const folderOf = (file: string) => (file.includes('/') ? (file.split('/')[0] ?? root) : root);

/** Files of ours that a file imports, types included. */
function importsOf(file: string): string[] {
  const specifiers = [...(text.get(file) ?? '').matchAll(/(?:from|import)\s*\(?\s*'([#.][^']+)'/g)].map(
    ([, specifier = '']) => specifier,
  );
  return specifiers.map((specifier) =>
    specifier.startsWith('#') ? specifier.slice(1) : relative(source, resolve(source, dirname(file), specifier)),
  );
}

const edges = files.flatMap((file) => importsOf(file).map((target) => ({ file, target })));

describe('the architecture', () => {
  test('has a row in the table for every folder', () => {
    expect([...new Set(files.map(folderOf))].sort()).toEqual(Object.keys(mayImport).sort());
  });

  test('is one direction: each folder imports only what the table allows', () => {
    const wrong = edges.filter(({ file, target }) => {
      const [from, to] = [folderOf(file), folderOf(target)];
      if (from === to || (from !== 'client' && (to === 'lib' || to === 'generated'))) return false;
      if (!(mayImport[from] ?? []).includes(to)) return true;
      return onlyFile[`${from} → ${to}`]?.includes(target) === false;
    });
    expect(wrong).toEqual([]);
  });

  test('gives a reason for each exception', () => {
    for (const edge of Object.keys(exceptions)) expect(Object.keys(onlyFile)).toContain(edge);
  });

  test('has no cycle, of types neither', () => {
    const graph = new Map(files.map((file) => [file, allImportsOf(file)]));
    expect(cyclesIn(graph)).toEqual([]);
  });

  test('has one name for one verb in every layer', () => {
    const verbs = files.filter(
      (file) => /^graphql\/mutations\//.test(file) && /mutationField/.test(text.get(file) ?? ''),
    );
    const known = new Set(
      files.filter((file) => /^(operations|auth|webhooks)\//.test(file)).map((file) => basename(file)),
    );
    expect(verbs.map((file) => basename(file)).filter((name) => !known.has(name))).toEqual([]);
  });

  test('has small rooms in `lib`, and nothing that stands between them', () => {
    const rooms = Map.groupBy(
      files.filter((file) => folderOf(file) === 'lib'),
      dirname,
    );
    expect([...rooms].filter(([room, inIt]) => room === 'lib' || inIt.length > 10)).toEqual([]);
  });

  test('reads the environment in one place and ends the process in one place', () => {
    const having = (pattern: RegExp) => files.filter((file) => pattern.test(text.get(file) ?? ''));
    expect(having(/process\.env\b/)).toEqual(['main.ts']);
    expect(having(/process\.exit\b/)).toEqual(['main.ts']);
  });

  test('has a client that runs without the rest, in a browser too', () => {
    const ofClient = files.filter((file) => folderOf(file) === 'client');
    const packages = ofClient.flatMap((file) =>
      [...(text.get(file) ?? '').matchAll(/from '([^.][^']*)'/g)].map(([, specifier = '']) => `${file}: ${specifier}`),
    );
    const allowed: Record<string, RegExp> = {
      'client/resumePlan.ts': /^graphql$/,
      'client/apollo.ts': /^(@apollo\/client\/|rxjs$|graphql-ws$)/,
      'client/urql.ts': /^(@urql\/core|graphql-ws)$/,
    };
    const wrong = packages.filter((found) => {
      const [file = '', specifier = ''] = found.split(': ');
      return !(allowed[file] ?? /^graphql-ws$/).test(specifier);
    });
    expect(wrong).toEqual([]);
  });

  test('loads Ink and React for the monitor alone, and the commands for people for them alone', () => {
    const having = (pattern: RegExp) => files.filter((file) => pattern.test(text.get(file) ?? ''));
    expect(having(/'(ink|react)'/)).toEqual(['cli/watch/monitor.ts']);
    expect(having(/^import .*'[^']*\/monitor\.ts'/m).filter((file) => folderOf(file) === 'cli')).toEqual([]);
    expect(having(/^import .*'#cli\//m)).toEqual(['help.ts']);
    expect(having(/^import .*'\.\/help\.ts'/m).filter((file) => folderOf(file) === root)).toEqual([]);
  });

  test('has rules that wait for nothing', () => {
    const waiting = files.filter(
      (file) => folderOf(file) === 'domain' && /\bawait\b|\basync\b|Promise</.test(text.get(file) ?? ''),
    );
    expect(waiting).toEqual([]);
  });

  test('has operations that take the present from the clock they are given', () => {
    const reading = files.filter(
      (file) => folderOf(file) === 'operations' && /new Date\(\)|Date\.now\(\)/.test(text.get(file) ?? ''),
    );
    expect(reading).toEqual([]);
  });

  test('compares no status outside of the files that own it', () => {
    const comparing = files.filter(
      (file) =>
        folderOf(file) === 'operations' &&
        /[sS]tatus (?:===|!==) '(?:ACTIVE|BUSY|DOWN|ERROR|DELETED)'/.test(text.get(file) ?? ''),
    );
    expect(comparing).toEqual([]);
  });
});

function allImportsOf(file: string): string[] {
  const specifiers = [...(text.get(file) ?? '').matchAll(/from '([#.][^']+)'/g)].map(([, specifier = '']) => specifier);
  return specifiers.map((specifier) =>
    specifier.startsWith('#') ? specifier.slice(1) : relative(source, resolve(source, dirname(file), specifier)),
  );
}

/** Every file that can be reached from itself. */
function cyclesIn(graph: ReadonlyMap<string, readonly string[]>): string[] {
  return [...graph.keys()].filter((start) => {
    const seen = new Set<string>();
    const queue = [...(graph.get(start) ?? [])];
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      if (next === start) return true;
      if (seen.has(next)) continue;
      seen.add(next);
      queue.push(...(graph.get(next) ?? []));
    }
    return false;
  });
}
