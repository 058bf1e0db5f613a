import { existsSync } from 'node:fs';
import pg from 'pg';
import { describe, test } from 'vitest';
import { knownVersions } from '#engines/postgresql/toolchain.ts';
import { lostWrites, startRecordingWriter } from '../support/recordingWriter.ts';
import { describeEngineConformance } from './engineConformance.ts';
import type { EngineClient } from './scene.ts';

/** A version of the distribution's packages, besides the newest one that comes with npm. Null: none is installed. */
const distributionVersion =
  knownVersions.find((version) => version !== '18' && existsSync(`/usr/lib/postgresql/${version}/bin/postgres`)) ??
  null;

async function query(uri: string, text: string, values: unknown[] = [], host?: string): Promise<{ value: string }[]> {
  const { hostname, port, username, password, pathname } = new URL(uri);
  const client = new pg.Client({
    host: host ?? hostname,
    port: Number(port),
    user: username,
    password: decodeURIComponent(password),
    database: pathname.slice(1),
  });
  await client.connect();
  try {
    return (await client.query(text, values)).rows;
  } finally {
    await client.end();
  }
}

const client: Omit<EngineClient, 'version'> = {
  engine: 'postgresql',
  maximum: 16,
  async write(uri: string, value: string) {
    await query(uri, 'CREATE TABLE IF NOT EXISTS written (value text PRIMARY KEY)');
    await query(uri, 'INSERT INTO written VALUES ($1)', [value]);
  },
  readAll: async (uri: string, host: string) =>
    (await query(uri, 'SELECT value FROM written ORDER BY value', [], host)).map(({ value }) => value),
  record: ({ username: user, ...login }, targets) => startRecordingWriter({ ...login, user, targets }),
  lost: (server, { username: user, ...login }, acknowledged) => lostWrites(server, { ...login, user }, acknowledged),
};

describeEngineConformance({ ...client, version: '18' });

if (distributionVersion !== null) {
  describeEngineConformance({ ...client, version: distributionVersion });
} else {
  describe("postgresql of the distribution's packages", () => {
    test.skip('is missing: npm run servers installs it', () => {});
  });
}
