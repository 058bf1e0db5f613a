import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig, settings } from '../src/config.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (file: string) => readFileSync(`${root}/${file}`, 'utf8');

type Service = {
  image?: string;
  build?: string;
  command?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[] };
};
type Compose = { services: Record<string, Service>; volumes: Record<string, unknown> };

const { services, volumes } = parse(read('docker-compose.yml'), { merge: true }) as Compose;
const dockerfile = read('Dockerfile');

describe('docker-compose.yml', () => {
  test('has a store, a bus, one process for the API and one for the work', () => {
    expect(Object.keys(services)).toEqual(['postgres', 'redis', 'api', 'worker']);
    expect(services.api?.command).toEqual(['api']);
    expect(services.worker?.command).toEqual(['worker']);
    expect(read('src/main.ts')).toMatch(/commands = \[.*'api', 'worker'.*\]/);
  });

  test.each(['api', 'worker'])('gives %s only settings that Grove knows, and all that it needs', (name) => {
    const environment = services[name]?.environment ?? {};
    const known = settings.map((setting) => setting.name);
    expect(known).toEqual(expect.arrayContaining(Object.keys(environment)));
    expect(Object.keys(environment)).toEqual(expect.arrayContaining(['DATABASE_URL', 'REDIS_URL', 'GROVE_SECRET_KEY']));
    const secret = (variable: string) =>
      variable === 'GROVE_SECRET_KEY' ? Buffer.alloc(32).toString('base64') : 'canary';
    const filled = Object.entries(environment).map(([key, value]) => [
      key,
      String(value).replace(/\$\{(\w+)[^}]*\}/g, (_all, variable: string) => secret(variable)),
    ]);
    const config = loadConfig(Object.fromEntries(filled), '/grove');
    expect(config.databaseUrl).toBe('postgresql://grove:canary@postgres:5432/grove');
    expect(config.redisUrl).toBe('redis://:canary@redis:6379');
  });

  test('holds no secret and publishes nothing beyond this host', () => {
    const secrets = Object.values(services).flatMap(({ environment = {} }) =>
      Object.entries(environment).filter(
        ([name]) => /PASSWORD|KEY|AUTH|_URL$/.test(name) && name !== 'GROVE_CONTROL_URL',
      ),
    );
    expect(secrets.length).toBeGreaterThan(5);
    for (const [name, value] of secrets) expect(value, name).toMatch(/\$\{\w+:\?/);
    const published = Object.values(services).flatMap(({ ports = [] }) => ports);
    expect(published).toEqual([expect.stringMatching(/^127\.0\.0\.1:/)]);
  });

  test('refers to services and volumes that exist, and waits for health that is checked', () => {
    for (const { depends_on = {}, volumes: mounts = [] } of Object.values(services)) {
      for (const [name, { condition }] of Object.entries(depends_on)) {
        expect(condition).toBe('service_healthy');
        expect(services[name]?.healthcheck, name).toBeDefined();
      }
      for (const mount of mounts) expect(Object.keys(volumes)).toContain(mount.split(':')[0]);
    }
  });

  test('sends agents to the port that the API listens on', () => {
    const port = services.api?.environment?.GROVE_PORT;
    expect(services.worker?.environment?.GROVE_CONTROL_URL).toBe(`ws://api:${port}`);
    expect(services.api?.ports).toEqual([`127.0.0.1:${port}:${port}`]);
  });
});

describe('the Dockerfile', () => {
  test('copies what exists, and nothing that .dockerignore keeps back', () => {
    const allowed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copies = [...dockerfile.matchAll(/^COPY (?!--from)(.*)$/gm)].flatMap(([, files = '']) =>
      files.split(' ').slice(0, -1),
    );
    expect(copies.length).toBeGreaterThan(5);
    for (const file of copies) {
      expect(existsSync(`${root}/${file}`), file).toBe(true);
      expect(allowed).toContain(file);
    }
  });

  test('runs as an ordinary user', () => {
    expect(dockerfile).toMatch(/^USER node$/m);
    expect(dockerfile.indexOf('USER node')).toBeLessThan(dockerfile.indexOf('ENTRYPOINT'));
  });
});
